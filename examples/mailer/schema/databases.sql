-- Six databases. Their options differ on purpose: all of them have to be the same after an upgrade.
CREATE DATABASE Contacts;
GO
CREATE DATABASE Campaigns;
GO
CREATE DATABASE Tracking;
GO
CREATE DATABASE Surveys;
GO
CREATE DATABASE Billing;
GO
CREATE DATABASE Archive;
GO
ALTER DATABASE Contacts SET RECOVERY FULL;
ALTER DATABASE Campaigns SET RECOVERY FULL;
ALTER DATABASE Tracking SET RECOVERY FULL;
ALTER DATABASE Surveys SET RECOVERY FULL;
ALTER DATABASE Billing SET RECOVERY FULL;
ALTER DATABASE Archive SET RECOVERY SIMPLE;
GO
-- The application's procedures reach from one of these to the other under one owner.
ALTER DATABASE Campaigns SET DB_CHAINING ON;
ALTER DATABASE Tracking SET DB_CHAINING ON;
GO
ALTER DATABASE Tracking SET READ_COMMITTED_SNAPSHOT ON;
GO
-- The survey product was certified on SQL Server 2017 and stays at its level.
ALTER DATABASE Surveys SET COMPATIBILITY_LEVEL = 140;
GO
