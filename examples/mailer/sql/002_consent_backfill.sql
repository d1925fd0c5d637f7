-- Consent, part 2: the state follows from what is on record. 0: never asked, 1: given, 2: withdrawn.
SET NOCOUNT ON;
SET XACT_ABORT ON;
BEGIN TRANSACTION;

UPDATE c
SET c.ConsentState = 2
FROM dbo.Contact AS c
INNER JOIN consent.Consent AS g ON g.ContactId = c.ContactId
WHERE g.WithdrawnAt IS NOT NULL;

UPDATE c
SET c.ConsentState = 1,
    c.ConsentSince = (SELECT MIN(o.GivenAt) FROM consent.Consent AS o
                      WHERE o.ContactId = c.ContactId AND o.WithdrawnAt IS NULL)
FROM dbo.Contact AS c
WHERE EXISTS (SELECT 1 FROM consent.Consent AS g WHERE g.ContactId = c.ContactId AND g.WithdrawnAt IS NULL);

COMMIT TRANSACTION;
GO
DECLARE @given int = (SELECT COUNT(*) FROM dbo.Contact WHERE ConsentState = 1);
IF @given = 0
    THROW 50001, 'no contact has given consent: the backfill did not work', 1;
DECLARE @text nvarchar(100) = CONCAT(N'contacts with consent: ', @given);
PRINT @text;
GO
