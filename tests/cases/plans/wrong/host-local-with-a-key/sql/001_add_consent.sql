ALTER TABLE dbo.Contact ADD Consent bit NULL;
