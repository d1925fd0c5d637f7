-- The work the Agent jobs do, and the views the application reads.
CREATE FUNCTION dbo.fn_SubjectPreview (@subject nvarchar(300), @length int)
RETURNS nvarchar(301)
AS
BEGIN
    IF LEN(@subject) <= @length
        RETURN @subject;
    RETURN LEFT(@subject, @length) + N'…';
END;
GO
CREATE VIEW dbo.CampaignResult
AS
SELECT c.CampaignId, c.AccountId, dbo.fn_SubjectPreview(c.Subject, 60) AS Subject, c.State, c.SentAt,
       COUNT(d.DeliveryId) AS Delivered,
       SUM(CASE WHEN d.Outcome = 'B' THEN 1 ELSE 0 END) AS Bounced
FROM dbo.Campaign AS c
LEFT OUTER JOIN send.Delivery AS d ON d.CampaignId = c.CampaignId
GROUP BY c.CampaignId, c.AccountId, c.Subject, c.State, c.SentAt;
GO
CREATE VIEW send.Waiting
AS
SELECT q.TicketNo, q.CampaignId, q.ContactId, q.DueAt, q.Attempts
FROM send.Queue AS q
WHERE q.State = 'W';
GO
CREATE TRIGGER dbo.trg_Campaign_SentAt ON dbo.Campaign
AFTER UPDATE
AS
BEGIN
    SET NOCOUNT ON;
    IF UPDATE(State)
        UPDATE c
        SET c.SentAt = SYSUTCDATETIME()
        FROM dbo.Campaign AS c
        INNER JOIN inserted AS i ON i.CampaignId = c.CampaignId
        WHERE i.State = 'sent' AND c.SentAt IS NULL;
END;
GO
CREATE PROCEDURE send.usp_SendDue
    @Batch int = 20
AS
BEGIN
    SET NOCOUNT ON;
    SET XACT_ABORT ON;
    DECLARE @due TABLE (TicketNo bigint NOT NULL PRIMARY KEY, CampaignId int NOT NULL, ContactId int NOT NULL);
    INSERT INTO @due (TicketNo, CampaignId, ContactId)
    SELECT TOP (@Batch) q.TicketNo, q.CampaignId, q.ContactId
    FROM send.Queue AS q
    WHERE q.State = 'W' AND q.DueAt <= SYSUTCDATETIME()
    ORDER BY q.DueAt, q.TicketNo;
    BEGIN TRANSACTION;
    INSERT INTO send.Delivery (CampaignId, ContactId, SentAt, Outcome)
    SELECT d.CampaignId, d.ContactId, SYSUTCDATETIME(), 'D' FROM @due AS d;
    UPDATE q
    SET q.State = 'S', q.Attempts = q.Attempts + 1
    FROM send.Queue AS q
    INNER JOIN @due AS d ON d.TicketNo = q.TicketNo;
    COMMIT TRANSACTION;
END;
GO
CREATE PROCEDURE send.usp_Resend
AS
BEGIN
    SET NOCOUNT ON;
    -- By way of a table variable: a ticket number from the sequence and TOP do not go together.
    DECLARE @again TABLE (CampaignId int NOT NULL, ContactId int NOT NULL);
    INSERT INTO @again (CampaignId, ContactId)
    SELECT TOP (5) d.CampaignId, d.ContactId
    FROM send.Delivery AS d
    WHERE d.Outcome = 'S'
      AND NOT EXISTS (SELECT 1 FROM send.Queue AS q WHERE q.CampaignId = d.CampaignId AND q.ContactId = d.ContactId)
    ORDER BY d.DeliveryId;
    INSERT INTO send.Queue (CampaignId, ContactId, DueAt)
    SELECT a.CampaignId, a.ContactId, DATEADD(HOUR, 1, SYSUTCDATETIME()) FROM @again AS a;
END;
GO
CREATE PROCEDURE send.usp_ProcessBounces
    @Batch int = 10
AS
BEGIN
    SET NOCOUNT ON;
    UPDATE send.Bounce
    SET ProcessedAt = SYSUTCDATETIME()
    WHERE BounceId IN (SELECT TOP (@Batch) b.BounceId FROM send.Bounce AS b
                       WHERE b.ProcessedAt IS NULL ORDER BY b.BounceId);
END;
GO
CREATE PROCEDURE dbo.usp_NightlyMaintenance
AS
BEGIN
    SET NOCOUNT ON;
    DELETE FROM send.Queue WHERE State = 'S' AND DueAt < DATEADD(DAY, -30, SYSUTCDATETIME());
    UPDATE STATISTICS dbo.Campaign;
    UPDATE STATISTICS send.Delivery;
END;
GO
