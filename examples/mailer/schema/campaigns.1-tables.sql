-- Campaigns: what is sent, when, to which lists, and what came back.
CREATE SCHEMA content AUTHORIZATION dbo;
GO
CREATE SCHEMA send AUTHORIZATION dbo;
GO
CREATE SEQUENCE dbo.CampaignNumber AS int START WITH 5000 INCREMENT BY 1 MINVALUE 1 NO CYCLE CACHE 50;
GO
CREATE SEQUENCE send.TicketNumber AS bigint START WITH 9000000000 INCREMENT BY 10 NO CACHE;
GO
CREATE TABLE content.Template (
    TemplateId    int IDENTITY(1, 1) NOT NULL CONSTRAINT PK_Template PRIMARY KEY,
    AccountId     int                NOT NULL,
    Name          nvarchar(160)      NOT NULL,
    Html          nvarchar(max)      NOT NULL,
    PlainText     varchar(max)       NULL,
    Thumbnail     varbinary(max)     NULL,
    HtmlLength    AS (DATALENGTH(Html)),
    IsArchived    bit                NOT NULL CONSTRAINT DF_Template_IsArchived DEFAULT (0),
    RowVer        rowversion         NOT NULL
);
GO
CREATE TABLE content.TemplateVersion (
    TemplateId    int            NOT NULL,
    VersionNo     smallint       NOT NULL,
    Html          nvarchar(max)  NOT NULL,
    Checksum256   binary(32)     NULL,
    SavedAt       datetime       NOT NULL,
    CONSTRAINT PK_TemplateVersion PRIMARY KEY (TemplateId, VersionNo),
    CONSTRAINT FK_TemplateVersion_Template FOREIGN KEY (TemplateId)
        REFERENCES content.Template (TemplateId) ON DELETE CASCADE
);
GO
CREATE TABLE content.Image (
    ImageId       uniqueidentifier NOT NULL CONSTRAINT PK_Image PRIMARY KEY CONSTRAINT DF_Image_Id DEFAULT (NEWID()),
    FileName      nvarchar(260)    NOT NULL,
    MimeType      varchar(60)      NOT NULL,
    Bytes         varbinary(max)   NOT NULL,
    ByteCount     AS (DATALENGTH(Bytes)) PERSISTED,
    AltText       nvarchar(200)    NULL
);
GO
CREATE TABLE dbo.Campaign (
    CampaignId    int           NOT NULL CONSTRAINT DF_Campaign_Id DEFAULT (NEXT VALUE FOR dbo.CampaignNumber),
    AccountId     int           NOT NULL,
    TemplateId    int           NULL,
    Subject       nvarchar(300) NOT NULL,
    Preheader     nvarchar(300) NULL,
    FromName      nvarchar(120) NOT NULL,
    State         varchar(12)   NOT NULL CONSTRAINT DF_Campaign_State DEFAULT ('draft'),
    Budget        money         NULL,
    SendRate      decimal(5, 2) NULL,
    CreatedAt     datetime2(3)  NOT NULL CONSTRAINT DF_Campaign_CreatedAt DEFAULT (SYSUTCDATETIME()),
    SentAt        datetime2(3)  NULL,
    RowVer        rowversion    NOT NULL,
    CONSTRAINT PK_Campaign PRIMARY KEY CLUSTERED (CampaignId),
    CONSTRAINT FK_Campaign_Template FOREIGN KEY (TemplateId) REFERENCES content.Template (TemplateId) ON DELETE SET NULL,
    CONSTRAINT CK_Campaign_State CHECK (State IN ('draft', 'scheduled', 'sending', 'sent', 'stopped')),
    CONSTRAINT CK_Campaign_SendRate CHECK (SendRate IS NULL OR (SendRate > 0 AND SendRate <= 100))
);
GO
CREATE INDEX IX_Campaign_Due ON dbo.Campaign (CreatedAt) INCLUDE (Subject) WHERE State = 'scheduled';
GO
CREATE TABLE dbo.CampaignVariant (
    CampaignId    int           NOT NULL,
    Letter        char(1)       NOT NULL,
    Subject       nvarchar(300) NULL,
    Share         numeric(5, 4) NOT NULL,
    CONSTRAINT PK_CampaignVariant PRIMARY KEY (CampaignId, Letter),
    CONSTRAINT FK_CampaignVariant_Campaign FOREIGN KEY (CampaignId)
        REFERENCES dbo.Campaign (CampaignId) ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT CK_CampaignVariant_Share CHECK (Share >= 0 AND Share <= 1)
);
GO
-- ListId lives in the database Contacts: no foreign key can reach it, so a check of the upgrade does.
CREATE TABLE dbo.CampaignList (
    CampaignId    int NOT NULL,
    ListId        int NOT NULL,
    Exclude       bit NOT NULL CONSTRAINT DF_CampaignList_Exclude DEFAULT (0),
    CONSTRAINT PK_CampaignList PRIMARY KEY (CampaignId, ListId),
    CONSTRAINT FK_CampaignList_Campaign FOREIGN KEY (CampaignId) REFERENCES dbo.Campaign (CampaignId) ON DELETE CASCADE
);
GO
CREATE TABLE dbo.Link (
    LinkId        int IDENTITY(1, 1) NOT NULL CONSTRAINT PK_Link PRIMARY KEY,
    CampaignId    int                NOT NULL,
    Url           nvarchar(1000)     NOT NULL,
    Token         varchar(24) COLLATE Latin1_General_BIN2 NOT NULL,
    DoNotTrack    bit                NOT NULL CONSTRAINT DF_Link_DoNotTrack DEFAULT (0),
    CONSTRAINT UQ_Link_Token UNIQUE (Token),
    CONSTRAINT FK_Link_Campaign FOREIGN KEY (CampaignId) REFERENCES dbo.Campaign (CampaignId)
);
GO
CREATE TABLE send.Schedule (
    ScheduleId    int IDENTITY(1, 1) NOT NULL CONSTRAINT PK_Schedule PRIMARY KEY,
    CampaignId    int                NOT NULL,
    SendDate      date               NOT NULL,
    SendTime      time(0)            NOT NULL,
    TimeZone      varchar(40)        NOT NULL,
    Repeats       tinyint            NULL,
    CONSTRAINT FK_Schedule_Campaign FOREIGN KEY (CampaignId) REFERENCES dbo.Campaign (CampaignId) ON DELETE CASCADE
);
GO
CREATE TABLE send.Queue (
    TicketNo      bigint        NOT NULL CONSTRAINT DF_Queue_Ticket DEFAULT (NEXT VALUE FOR send.TicketNumber),
    CampaignId    int           NOT NULL,
    ContactId     int           NOT NULL,
    DueAt         datetime2(0)  NOT NULL,
    Attempts      tinyint       NOT NULL CONSTRAINT DF_Queue_Attempts DEFAULT (0),
    State         char(1)       NOT NULL CONSTRAINT DF_Queue_State DEFAULT ('W'),
    LastError     nvarchar(400) NULL,
    CONSTRAINT PK_Queue PRIMARY KEY (TicketNo),
    CONSTRAINT FK_Queue_Campaign FOREIGN KEY (CampaignId) REFERENCES dbo.Campaign (CampaignId),
    CONSTRAINT CK_Queue_State CHECK (State IN ('W', 'S', 'F'))
);
GO
CREATE INDEX IX_Queue_Waiting ON send.Queue (DueAt) WHERE State = 'W';
GO
CREATE TABLE send.Delivery (
    DeliveryId    bigint IDENTITY(1, 1) NOT NULL CONSTRAINT PK_Delivery PRIMARY KEY,
    CampaignId    int                   NOT NULL,
    ContactId     int                   NOT NULL,
    SentAt        datetime2(3)          NOT NULL,
    Outcome       char(1)               NOT NULL,
    CONSTRAINT FK_Delivery_Campaign FOREIGN KEY (CampaignId) REFERENCES dbo.Campaign (CampaignId)
);
GO
CREATE TABLE send.Bounce (
    BounceId      bigint IDENTITY(1, 1) NOT NULL CONSTRAINT PK_Bounce PRIMARY KEY,
    DeliveryId    bigint                NOT NULL CONSTRAINT FK_Bounce_Delivery REFERENCES send.Delivery (DeliveryId),
    Code          char(5)               NOT NULL,
    Diagnostic    nvarchar(400)         NULL,
    IsHard        AS (CASE WHEN LEFT(Code, 1) = '5' THEN CAST(1 AS bit) ELSE CAST(0 AS bit) END) PERSISTED,
    ReceivedAt    datetimeoffset(3)     NOT NULL,
    ProcessedAt   datetime2(3)          NULL
);
GO
CREATE TABLE send.Reply (
    ReplyId       int IDENTITY(1, 1) NOT NULL CONSTRAINT PK_Reply PRIMARY KEY,
    CampaignId    int                NULL,
    Sender        nvarchar(254)      NOT NULL,
    Raw           varbinary(max)     NOT NULL,
    Body          nvarchar(max)      NULL,
    ReceivedAt    datetimeoffset(7)  NOT NULL,
    ProcessedAt   datetime2(3)       NULL
);
GO
CREATE TABLE send.Throttle (
    Domain        varchar(120)  NOT NULL CONSTRAINT PK_Throttle PRIMARY KEY,
    PerMinute     smallint      NOT NULL CONSTRAINT CK_Throttle_PerMinute CHECK (PerMinute > 0),
    Backoff       float         NOT NULL CONSTRAINT DF_Throttle_Backoff DEFAULT (1.5)
);
GO
