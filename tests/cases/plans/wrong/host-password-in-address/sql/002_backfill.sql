UPDATE dbo.Contact SET Consent = 0;
