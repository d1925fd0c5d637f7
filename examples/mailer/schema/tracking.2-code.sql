-- Recording, rolling up, and the heart-beat that tells whether the Agent is alive.
CREATE VIEW dbo.HumanOpen
AS
SELECT o.OpenId, o.CampaignId, o.ContactId, o.OpenedAt, u.Name AS UserAgent
FROM dbo.MailOpen AS o
INNER JOIN dbo.UserAgent AS u ON u.UserAgentId = o.UserAgentId
WHERE u.IsRobot = 0;
GO
-- Reaches over to the database Campaigns: both have to be in service for it to answer.
CREATE VIEW dbo.ClickByCampaign
AS
SELECT l.CampaignId, COUNT_BIG(*) AS Clicks
FROM dbo.Click AS k
INNER JOIN Campaigns.dbo.Link AS l ON l.LinkId = k.LinkId
GROUP BY l.CampaignId;
GO
CREATE VIEW ops.LastBeat
AS
SELECT MAX(h.BeatAt) AS BeatAt, COUNT_BIG(*) AS Beats
FROM ops.HeartBeat AS h;
GO
CREATE FUNCTION dbo.fn_ReturnOnInvestment (@amount money, @cost money)
RETURNS decimal(18, 4)
AS
BEGIN
    IF @cost IS NULL OR @cost = 0
        RETURN NULL;
    RETURN (@amount - @cost) / @cost;
END;
GO
CREATE PROCEDURE dbo.usp_RecordClick
    @LinkId int,
    @ContactId int = NULL
AS
BEGIN
    SET NOCOUNT ON;
    INSERT INTO dbo.Click (LinkId, ContactId) VALUES (@LinkId, @ContactId);
END;
GO
CREATE PROCEDURE ops.usp_HeartBeat
AS
BEGIN
    SET NOCOUNT ON;
    INSERT INTO ops.HeartBeat (ServerName) VALUES (@@SERVERNAME);
    DELETE FROM ops.HeartBeat WHERE BeatAt < DATEADD(DAY, -2, SYSUTCDATETIME());
END;
GO
CREATE PROCEDURE rollup.usp_RollUp
AS
BEGIN
    SET NOCOUNT ON;
    SET XACT_ABORT ON;
    DECLARE @until date = CAST(SYSUTCDATETIME() AS date);
    BEGIN TRANSACTION;
    DELETE FROM rollup.DailyCampaign WHERE Day >= DATEADD(DAY, -1, @until);
    INSERT INTO rollup.DailyCampaign (CampaignId, Day, Opens, Clicks)
    SELECT o.CampaignId, CAST(o.OpenedAt AS date), COUNT(*), 0
    FROM dbo.MailOpen AS o
    WHERE o.OpenedAt >= DATEADD(DAY, -1, @until)
    GROUP BY o.CampaignId, CAST(o.OpenedAt AS date);
    INSERT INTO ops.JobRun (JobName, RowsDone) VALUES (N'tracking rollup', @@ROWCOUNT);
    COMMIT TRANSACTION;
END;
GO
CREATE PROCEDURE ops.usp_Purge
    @KeepDays int = 90
AS
BEGIN
    SET NOCOUNT ON;
    DECLARE @gone int = 1;
    WHILE @gone > 0
    BEGIN
        DELETE TOP (1000) FROM ops.JobRun WHERE RanAt < DATEADD(DAY, -@KeepDays, SYSUTCDATETIME());
        SET @gone = @@ROWCOUNT;
    END;
END;
GO
