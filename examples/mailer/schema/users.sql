-- Who may do what in which database. The logins exist already, with fixed SIDs, so that users find their login
-- again wherever the databases are restored.
USE Contacts;
CREATE USER mailer_app FOR LOGIN mailer_app WITH DEFAULT_SCHEMA = dbo;
ALTER ROLE db_datareader ADD MEMBER mailer_app;
ALTER ROLE db_datawriter ADD MEMBER mailer_app;
GRANT EXECUTE TO mailer_app;
GO
USE Campaigns;
CREATE USER mailer_app FOR LOGIN mailer_app WITH DEFAULT_SCHEMA = dbo;
ALTER ROLE db_datareader ADD MEMBER mailer_app;
ALTER ROLE db_datawriter ADD MEMBER mailer_app;
GRANT EXECUTE TO mailer_app;
CREATE USER report_reader FOR LOGIN report_reader;
ALTER ROLE db_datareader ADD MEMBER report_reader;
GO
USE Tracking;
CREATE USER mailer_app FOR LOGIN mailer_app WITH DEFAULT_SCHEMA = dbo;
ALTER ROLE db_datareader ADD MEMBER mailer_app;
ALTER ROLE db_datawriter ADD MEMBER mailer_app;
GRANT EXECUTE TO mailer_app;
CREATE USER report_reader FOR LOGIN report_reader WITH DEFAULT_SCHEMA = rollup;
ALTER ROLE db_datareader ADD MEMBER report_reader;
GO
USE Surveys;
CREATE USER mailer_app FOR LOGIN mailer_app WITH DEFAULT_SCHEMA = dbo;
ALTER ROLE db_datareader ADD MEMBER mailer_app;
CREATE USER mailer_survey FOR LOGIN mailer_survey WITH DEFAULT_SCHEMA = forms;
ALTER ROLE db_datareader ADD MEMBER mailer_survey;
ALTER ROLE db_datawriter ADD MEMBER mailer_survey;
GRANT EXECUTE TO mailer_survey;
GO
USE Billing;
CREATE USER mailer_app FOR LOGIN mailer_app WITH DEFAULT_SCHEMA = dbo;
ALTER ROLE db_datareader ADD MEMBER mailer_app;
CREATE ROLE bookkeeping;
GRANT SELECT ON SCHEMA::ledger TO bookkeeping;
CREATE USER report_reader FOR LOGIN report_reader;
ALTER ROLE db_datareader ADD MEMBER report_reader;
ALTER ROLE bookkeeping ADD MEMBER report_reader;
DENY SELECT ON dbo.Payment TO report_reader;
GO
USE Archive;
CREATE USER mailer_app FOR LOGIN mailer_app WITH DEFAULT_SCHEMA = dbo;
ALTER ROLE db_datareader ADD MEMBER mailer_app;
GO
