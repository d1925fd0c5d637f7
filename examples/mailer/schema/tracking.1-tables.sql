-- Tracking: opens, clicks, visits and what they were worth.
CREATE SCHEMA rollup AUTHORIZATION dbo;
GO
CREATE SCHEMA ops AUTHORIZATION dbo;
GO
CREATE TABLE dbo.UserAgent (
    UserAgentId   smallint IDENTITY(1, 1) NOT NULL CONSTRAINT PK_UserAgent PRIMARY KEY,
    Name          nvarchar(400)           NOT NULL,
    IsRobot       bit                     NOT NULL CONSTRAINT DF_UserAgent_IsRobot DEFAULT (0)
);
GO
CREATE TABLE dbo.MailOpen (
    OpenId        bigint IDENTITY(1, 1) NOT NULL CONSTRAINT PK_MailOpen PRIMARY KEY,
    CampaignId    int                   NOT NULL,
    ContactId     int                   NOT NULL,
    OpenedAt      datetime2(3)          NOT NULL,
    UserAgentId   smallint              NULL CONSTRAINT FK_MailOpen_UserAgent REFERENCES dbo.UserAgent (UserAgentId)
);
GO
CREATE TABLE dbo.Click (
    ClickId       bigint IDENTITY(1, 1) NOT NULL CONSTRAINT PK_Click PRIMARY KEY,
    LinkId        int                   NOT NULL,
    ContactId     int                   NULL,
    ClickedAt     datetimeoffset(3)     NOT NULL CONSTRAINT DF_Click_ClickedAt DEFAULT (SYSDATETIMEOFFSET()),
    IpAddress     varbinary(16)         NULL
);
GO
CREATE INDEX IX_Click_Link ON dbo.Click (LinkId, ClickedAt);
GO
CREATE TABLE dbo.Visit (
    VisitId       uniqueidentifier NOT NULL CONSTRAINT PK_Visit PRIMARY KEY CONSTRAINT DF_Visit_Id DEFAULT (NEWSEQUENTIALID()),
    ContactId     int              NULL,
    StartedAt     datetime         NOT NULL,
    Seconds       smallint         NULL,
    Latitude      float            NULL,
    Longitude     float            NULL,
    PagePath      nvarchar(400)    NOT NULL
);
GO
CREATE TABLE dbo.Conversion (
    ConversionId  int IDENTITY(1, 1) NOT NULL CONSTRAINT PK_Conversion PRIMARY KEY,
    VisitId       uniqueidentifier   NOT NULL CONSTRAINT FK_Conversion_Visit REFERENCES dbo.Visit (VisitId) ON DELETE CASCADE,
    Amount        money              NOT NULL,
    Cost          smallmoney         NOT NULL CONSTRAINT DF_Conversion_Cost DEFAULT (0),
    Profit        AS (Amount - Cost) PERSISTED,
    Currency      char(3)            NOT NULL,
    Basket        xml                NULL,
    ConvertedAt   smalldatetime      NOT NULL
);
GO
-- A heap: no key, and equal rows are no mistake. Whoever compares it has to count them.
CREATE TABLE dbo.RawEvent (
    Kind          char(6)       NOT NULL,
    ReceivedAt    datetime2(0)  NOT NULL,
    Payload       nvarchar(400) NULL,
    Weight        real          NULL
);
GO
CREATE TABLE rollup.DailyCampaign (
    CampaignId    int            NOT NULL,
    Day           date           NOT NULL,
    Opens         int            NOT NULL,
    Clicks        int            NOT NULL,
    ClickRate     AS (CASE WHEN Opens = 0 THEN CAST(0 AS decimal(9, 4)) ELSE CAST(Clicks AS decimal(9, 4)) / Opens END),
    CONSTRAINT PK_DailyCampaign PRIMARY KEY (CampaignId, Day)
);
GO
CREATE TABLE rollup.HourlyClick (
    HourStart     smalldatetime NOT NULL CONSTRAINT PK_HourlyClick PRIMARY KEY,
    Clicks        int           NOT NULL
);
GO
CREATE TABLE ops.HeartBeat (
    BeatId        bigint IDENTITY(1, 1) NOT NULL CONSTRAINT PK_HeartBeat PRIMARY KEY,
    BeatAt        datetime2(3)          NOT NULL CONSTRAINT DF_HeartBeat_BeatAt DEFAULT (SYSUTCDATETIME()),
    ServerName    nvarchar(128)         NULL CONSTRAINT DF_HeartBeat_ServerName DEFAULT (@@SERVERNAME)
);
GO
CREATE TABLE ops.JobRun (
    JobRunId      int IDENTITY(1, 1) NOT NULL CONSTRAINT PK_JobRun PRIMARY KEY,
    JobName       nvarchar(128)      NOT NULL,
    RanAt         datetime2(3)       NOT NULL CONSTRAINT DF_JobRun_RanAt DEFAULT (SYSUTCDATETIME()),
    RowsDone      int                NULL,
    Outcome       varchar(10)        NOT NULL CONSTRAINT DF_JobRun_Outcome DEFAULT ('done')
);
GO
