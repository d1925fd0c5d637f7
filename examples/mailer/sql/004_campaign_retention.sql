-- Campaigns are kept for as long as their account wants, and no longer.
ALTER TABLE dbo.Campaign ADD RetentionDays smallint NULL;
GO
UPDATE dbo.Campaign
SET RetentionDays = CASE State WHEN 'draft' THEN 90 WHEN 'stopped' THEN 365 ELSE 1825 END;
GO
ALTER TABLE dbo.Campaign ALTER COLUMN RetentionDays smallint NOT NULL;
ALTER TABLE dbo.Campaign ADD CONSTRAINT DF_Campaign_RetentionDays DEFAULT (1825) FOR RetentionDays;
ALTER TABLE dbo.Campaign ADD CONSTRAINT CK_Campaign_RetentionDays CHECK (RetentionDays BETWEEN 30 AND 3650);
GO
CREATE TABLE dbo.RetentionSlot (
    SlotId        int IDENTITY(1, 1) NOT NULL CONSTRAINT PK_RetentionSlot PRIMARY KEY,
    Label         nvarchar(60)       NOT NULL,
    RunsAt        time(0)            NOT NULL
);
GO
-- Three slots, two hours apart: the batch runs three times.
DECLARE @slot int = (SELECT COUNT(*) FROM dbo.RetentionSlot);
INSERT INTO dbo.RetentionSlot (Label, RunsAt)
VALUES (CONCAT(N'slot [', @slot + 1, N'] — "GO"'), DATEADD(HOUR, 2 * @slot, CAST('01:00' AS time(0))));
GO 3
DROP INDEX IX_Campaign_Due ON dbo.Campaign;
CREATE INDEX IX_Campaign_Due ON dbo.Campaign (CreatedAt) INCLUDE (Subject, RetentionDays) WHERE State = 'scheduled';
GO
