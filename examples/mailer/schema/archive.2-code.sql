-- Moving old campaigns over.
CREATE VIEW dbo.OldCampaignSize
AS
SELECT c.CampaignId, c.Subject, COUNT(d.DeliveryId) AS Deliveries
FROM dbo.OldCampaign AS c
LEFT OUTER JOIN dbo.OldDelivery AS d ON d.CampaignId = c.CampaignId
GROUP BY c.CampaignId, c.Subject;
GO
CREATE PROCEDURE dbo.usp_ArchiveCampaigns
    @OlderThanDays int = 3650
AS
BEGIN
    SET NOCOUNT ON;
    INSERT INTO dbo.OldCampaign (CampaignId, Subject, SentAt, ArchivedAt)
    SELECT c.CampaignId, c.Subject, c.SentAt, GETUTCDATE()
    FROM Campaigns.dbo.Campaign AS c
    WHERE c.State = 'sent'
      AND c.SentAt < DATEADD(DAY, -@OlderThanDays, SYSUTCDATETIME())
      AND NOT EXISTS (SELECT 1 FROM dbo.OldCampaign AS o WHERE o.CampaignId = c.CampaignId);
END;
GO
