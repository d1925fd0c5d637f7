-- Archive: what nobody changes any more, in SIMPLE recovery. Some names are as old as the company.
CREATE SCHEMA legacy AUTHORIZATION dbo;
GO
CREATE TABLE dbo.OldCampaign (
    CampaignId    int           NOT NULL CONSTRAINT PK_OldCampaign PRIMARY KEY,
    Subject       nvarchar(300) NOT NULL,
    SentAt        datetime      NULL,
    ArchivedAt    smalldatetime NOT NULL
);
GO
CREATE TABLE dbo.OldDelivery (
    DeliveryId    bigint       NOT NULL CONSTRAINT PK_OldDelivery PRIMARY KEY,
    CampaignId    int          NOT NULL CONSTRAINT FK_OldDelivery_Campaign REFERENCES dbo.OldCampaign (CampaignId),
    ContactId     int          NOT NULL,
    SentAt        datetime     NOT NULL
);
GO
CREATE TABLE dbo.OldMail (
    MailId        int IDENTITY(100000, 10) NOT NULL CONSTRAINT PK_OldMail PRIMARY KEY,
    Body          nvarchar(max)            NULL,
    Attachment    varbinary(max)           NULL
);
GO
CREATE TABLE legacy.[Customer Data 2009] (
    [Customer No.]   int           NOT NULL,
    [Full Name]      nvarchar(80)  NULL,
    [odd ]] name]    varchar(30)   NULL,
    [select]         bit           NULL,
    [Größe in m²]    decimal(7, 2) NULL,
    [名前]           nvarchar(40)  NULL,
    CONSTRAINT [PK Customer Data 2009] PRIMARY KEY ([Customer No.])
);
GO
CREATE TABLE legacy.[Empty since 2011] (
    Id            int          NOT NULL,
    Remark        varchar(100) NULL
);
GO
