-- Consent, part 3: what keeps it right from now on.
-- The index below is filtered and on a computed column: it is refused unless QUOTED_IDENTIFIER and ANSI_NULLS are ON.
SET QUOTED_IDENTIFIER ON;
SET ANSI_NULLS ON;
GO
CREATE INDEX "IX_Contact_MayBeMailed" ON "dbo"."Contact" ("MayBeMailed", "AccountId") INCLUDE ("Email");
CREATE INDEX [IX_Contact_Withdrawn] ON dbo.Contact (ConsentSince) WHERE ConsentState = 2;
GO
CREATE OR ALTER TRIGGER consent.trg_Consent_State ON consent.Consent
AFTER INSERT, UPDATE
AS
BEGIN
    SET NOCOUNT ON;
    UPDATE c
    SET c.ConsentState = CASE WHEN i.WithdrawnAt IS NULL THEN 1 ELSE 2 END,
        c.ConsentSince = i.GivenAt
    FROM dbo.Contact AS c
    INNER JOIN inserted AS i ON i.ContactId = c.ContactId;
END;
GO
CREATE OR ALTER VIEW dbo.ReachableContact
AS
SELECT c.ContactId, c.AccountId, a.Name AS AccountName, c.Email, c.DisplayName, c.EmailDomain, c.Country, c.Score,
       c.ConsentState, c.MayBeMailed
FROM dbo.Contact AS c
INNER JOIN dbo.Account AS a ON a.AccountId = c.AccountId
WHERE c.IsSuppressed = 0 AND a.IsActive = 1;
GO
CREATE OR ALTER PROCEDURE consent.usp_Withdraw
    @ContactId int,
    @Purpose varchar(30)
AS
BEGIN
    SET NOCOUNT ON;
    UPDATE consent.Consent
    SET WithdrawnAt = SYSDATETIMEOFFSET()
    WHERE ContactId = @ContactId AND Purpose = @Purpose AND WithdrawnAt IS NULL;
END;
GO
INSERT INTO dbo.SchemaVersion (Version, Scale, Note)
SELECT 2, v.Scale, N'consent is kept for each contact'
FROM dbo.SchemaVersion AS v
WHERE v.Version = 1;
GO
