/* Consent, part 1: what people can agree to, and a place on each contact for whether they did.

   The lines below that say GO are no batch separators: they stand in a comment,
GO
   /* even in a nested one,
GO
   */
   and this is still the comment. */
SET XACT_ABORT ON;
CREATE TABLE consent.Purpose (
    Code          varchar(30)    NOT NULL CONSTRAINT PK_Purpose PRIMARY KEY,
    Label         nvarchar(80)   NOT NULL,
    Explanation   nvarchar(max)  NOT NULL,
    NeedsProof    bit            NOT NULL CONSTRAINT DF_Purpose_NeedsProof DEFAULT (1)
);
GO
-- The second text has a line of its own that says GO; it is a text all the same.
INSERT INTO consent.Purpose (Code, Label, Explanation, NeedsProof)
VALUES
    ('newsletter', N'Newsletter', N'We write to you when there is news. It''s never more than once a week.', 1),
    ('offers', N'Angebote & оффeры 🏷️', N'Ready?
GO
Then we tell you what is on offer.', 1),
    ('sms', N'Text messages', N'A text message for what cannot wait; answer "STOP" and it stops.', 1),
    ('profiling', N'Analyse', N'We look at what you click -- to write less -- and keep it for 90 days.', 0);
GO
ALTER TABLE dbo.Contact ADD
    ConsentState  tinyint NOT NULL CONSTRAINT DF_Contact_ConsentState DEFAULT (0),
    ConsentSince  datetimeoffset(0) NULL;
go
ALTER TABLE dbo.Contact ADD CONSTRAINT CK_Contact_ConsentState CHECK (ConsentState IN (0, 1, 2));
ALTER TABLE dbo.Contact ADD MayBeMailed AS
    (CASE WHEN ConsentState = 1 AND IsSuppressed = 0 THEN CAST(1 AS bit) ELSE CAST(0 AS bit) END) PERSISTED;
ALTER TABLE sms.PhoneNumber ALTER COLUMN Carrier nvarchar(80) NULL;
GO
ALTER TABLE consent.Consent ADD CONSTRAINT FK_Consent_Purpose FOREIGN KEY (Purpose) REFERENCES consent.Purpose (Code);
   GO   -- a separator may be indented and have a remark
