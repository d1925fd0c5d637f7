-- What works on contacts. Created after the data, so that the load does not run through the triggers.
CREATE FUNCTION dbo.fn_NormaliseEmail (@email nvarchar(254))
RETURNS nvarchar(254)
AS
BEGIN
    RETURN LOWER(LTRIM(RTRIM(@email)));
END;
GO
CREATE FUNCTION dbo.fn_IsReachable (@suppressed bit, @score decimal(9, 4))
RETURNS bit
AS
BEGIN
    DECLARE @answer bit = 0;
    IF @suppressed = 0 AND @score > -1
        SET @answer = 1;
    RETURN @answer;
END;
GO
CREATE VIEW dbo.ReachableContact
AS
SELECT c.ContactId, c.AccountId, a.Name AS AccountName, c.Email, c.DisplayName, c.EmailDomain, c.Country, c.Score
FROM dbo.Contact AS c
INNER JOIN dbo.Account AS a ON a.AccountId = c.AccountId
WHERE c.IsSuppressed = 0 AND a.IsActive = 1;
GO
CREATE VIEW dbo.ListSize
AS
SELECT l.ListId, l.AccountId, l.Name, COUNT(m.ContactId) AS Members, MAX(m.AddedAt) AS LastAddedAt
FROM dbo.List AS l
LEFT OUTER JOIN dbo.ListMember AS m ON m.ListId = l.ListId
GROUP BY l.ListId, l.AccountId, l.Name;
GO
CREATE VIEW audit.RecentChange
AS
SELECT TOP (100) ch.ChangeId, ch.ContactId, ch.Change, ch.OldEmail, ch.NewEmail, ch.ChangedBy, ch.ChangedAt
FROM audit.ContactChange AS ch
ORDER BY ch.ChangeId DESC;
GO
CREATE TRIGGER dbo.trg_Contact_Audit ON dbo.Contact
AFTER INSERT, UPDATE, DELETE
AS
BEGIN
    SET NOCOUNT ON;
    INSERT INTO audit.ContactChange (ContactId, Change, OldEmail, NewEmail)
    SELECT COALESCE(i.ContactId, d.ContactId),
           CASE WHEN d.ContactId IS NULL THEN 'I' WHEN i.ContactId IS NULL THEN 'D' ELSE 'U' END,
           d.Email,
           i.Email
    FROM inserted AS i
    FULL OUTER JOIN deleted AS d ON d.ContactId = i.ContactId;
END;
GO
CREATE TRIGGER dbo.trg_Suppression_Apply ON dbo.Suppression
AFTER INSERT
AS
BEGIN
    SET NOCOUNT ON;
    UPDATE c
    SET c.IsSuppressed = 1, c.ModifiedAt = GETUTCDATE()
    FROM dbo.Contact AS c
    INNER JOIN inserted AS i ON i.ContactId = c.ContactId
    WHERE i.LiftedAt IS NULL AND c.IsSuppressed = 0;
END;
GO
CREATE TRIGGER sms.trg_Unsubscribe_Block ON sms.Unsubscribe
AFTER INSERT
AS
BEGIN
    SET NOCOUNT ON;
    UPDATE p
    SET p.IsBlocked = 1
    FROM sms.PhoneNumber AS p
    INNER JOIN inserted AS i ON i.Number = p.Number;
END;
GO
CREATE PROCEDURE dbo.usp_AddContact
    @AccountId int,
    @Email nvarchar(254),
    @FirstName nvarchar(80) = NULL,
    @LastName nvarchar(80) = NULL,
    @ListId int = NULL
AS
BEGIN
    SET NOCOUNT ON;
    SET XACT_ABORT ON;
    DECLARE @id int;
    BEGIN TRANSACTION;
    INSERT INTO dbo.Contact (AccountId, Email, FirstName, LastName)
    VALUES (@AccountId, dbo.fn_NormaliseEmail(@Email), @FirstName, @LastName);
    SET @id = SCOPE_IDENTITY();
    IF @ListId IS NOT NULL
        INSERT INTO dbo.ListMember (ListId, ContactId, AddedAt, Origin) VALUES (@ListId, @id, GETUTCDATE(), 'F');
    COMMIT TRANSACTION;
    SELECT @id AS ContactId;
END;
GO
CREATE PROCEDURE dbo.usp_Unsubscribe
    @ContactId int,
    @Source varchar(20) = 'web'
AS
BEGIN
    SET NOCOUNT ON;
    SET XACT_ABORT ON;
    -- Saying it twice is no error: the answer to the reader is the same.
    INSERT INTO dbo.Suppression (ContactId, Email, ReasonId, Source)
    SELECT c.ContactId, c.Email, 1, @Source
    FROM dbo.Contact AS c
    WHERE c.ContactId = @ContactId
      AND NOT EXISTS (SELECT 1 FROM dbo.Suppression AS s WHERE s.ContactId = c.ContactId AND s.LiftedAt IS NULL);
    SELECT COUNT(*) AS Known FROM dbo.Contact AS c WHERE c.ContactId = @ContactId;
END;
GO
CREATE PROCEDURE sms.usp_HonourUnsubscribes
AS
BEGIN
    SET NOCOUNT ON;
    UPDATE sms.Unsubscribe
    SET HonouredAt = SYSDATETIMEOFFSET()
    WHERE HonouredAt IS NULL;
END;
GO
CREATE PROCEDURE dbo.usp_ContactSummary
    @AccountId int
AS
BEGIN
    SET NOCOUNT ON;
    SELECT c.Country, COUNT(*) AS Contacts, SUM(CASE WHEN c.IsSuppressed = 1 THEN 1 ELSE 0 END) AS Suppressed,
           AVG(c.Score) AS MeanScore, SUM(c.LifetimeValue) AS LifetimeValue
    FROM dbo.Contact AS c
    WHERE c.AccountId = @AccountId
    GROUP BY c.Country
    ORDER BY Contacts DESC, c.Country;
END;
GO
