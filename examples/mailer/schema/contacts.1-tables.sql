-- Contacts: who receives mail, what they agreed to, and what they asked us to stop.
CREATE SCHEMA sms AUTHORIZATION dbo;
GO
CREATE SCHEMA consent AUTHORIZATION dbo;
GO
CREATE SCHEMA audit AUTHORIZATION dbo;
GO
CREATE TABLE dbo.SchemaVersion (
    Version       int           NOT NULL CONSTRAINT PK_SchemaVersion PRIMARY KEY,
    Scale         float         NOT NULL,
    Note          nvarchar(200) NULL,
    AppliedAt     datetime2(3)  NOT NULL CONSTRAINT DF_SchemaVersion_AppliedAt DEFAULT (SYSUTCDATETIME())
);
GO
CREATE TABLE dbo.Account (
    AccountId     int IDENTITY(1, 1) NOT NULL,
    Code          char(8)            NOT NULL,
    Name          nvarchar(200)      NOT NULL,
    Region        nchar(2)           NOT NULL CONSTRAINT DF_Account_Region DEFAULT (N'GB'),
    Tier          tinyint            NOT NULL CONSTRAINT DF_Account_Tier DEFAULT (1),
    MonthlyQuota  bigint             NOT NULL,
    SenderRate    real               NULL,
    Settings      xml                NULL,
    IsActive      bit                NOT NULL CONSTRAINT DF_Account_IsActive DEFAULT (1),
    CreatedAt     datetime2(3)       NOT NULL CONSTRAINT DF_Account_CreatedAt DEFAULT (SYSUTCDATETIME()),
    RowVer        rowversion         NOT NULL,
    CONSTRAINT PK_Account PRIMARY KEY CLUSTERED (AccountId),
    CONSTRAINT UQ_Account_Code UNIQUE (Code),
    CONSTRAINT CK_Account_Tier CHECK (Tier BETWEEN 1 AND 5),
    CONSTRAINT CK_Account_Quota CHECK (MonthlyQuota >= 0)
);
GO
CREATE TABLE dbo.Contact (
    ContactId     int IDENTITY(1000, 1) NOT NULL,
    AccountId     int                   NOT NULL,
    Email         nvarchar(254)         NOT NULL,
    FirstName     nvarchar(80)          NULL,
    LastName      nvarchar(80)          NULL,
    BirthDate     date                  NULL,
    Country       char(2)               NULL,
    Score         decimal(9, 4)         NOT NULL CONSTRAINT DF_Contact_Score DEFAULT (0),
    LifetimeValue money                 NULL,
    ExternalId    uniqueidentifier      NULL,
    OptInAt       datetimeoffset(0)     NULL,
    CreatedAt     datetime2(7)          NOT NULL CONSTRAINT DF_Contact_CreatedAt DEFAULT (SYSUTCDATETIME()),
    ModifiedAt    datetime              NULL,
    IsSuppressed  bit                   NOT NULL CONSTRAINT DF_Contact_IsSuppressed DEFAULT (0),
    EmailDomain   AS (SUBSTRING(Email, CHARINDEX(N'@', Email) + 1, 254)) PERSISTED,
    DisplayName   AS (LTRIM(RTRIM(ISNULL(FirstName, N'') + N' ' + ISNULL(LastName, N'')))),
    RowVer        rowversion            NOT NULL,
    CONSTRAINT PK_Contact PRIMARY KEY CLUSTERED (ContactId),
    CONSTRAINT FK_Contact_Account FOREIGN KEY (AccountId) REFERENCES dbo.Account (AccountId),
    CONSTRAINT CK_Contact_Email CHECK (Email LIKE N'%_@_%'),
    CONSTRAINT CK_Contact_BirthDate CHECK (BirthDate IS NULL OR BirthDate >= '19000101')
);
GO
CREATE UNIQUE INDEX UX_Contact_AccountEmail ON dbo.Contact (AccountId, Email);
CREATE UNIQUE INDEX UX_Contact_ExternalId ON dbo.Contact (ExternalId) WHERE ExternalId IS NOT NULL;
CREATE INDEX IX_Contact_Domain ON dbo.Contact (EmailDomain) INCLUDE (Country);
GO
CREATE TABLE dbo.ContactAttribute (
    ContactId     int           NOT NULL,
    Name          varchar(40)   NOT NULL,
    Value         nvarchar(max) NULL,
    CONSTRAINT PK_ContactAttribute PRIMARY KEY (ContactId, Name),
    CONSTRAINT FK_ContactAttribute_Contact FOREIGN KEY (ContactId)
        REFERENCES dbo.Contact (ContactId) ON DELETE CASCADE
);
GO
CREATE TABLE dbo.ContactNote (
    NoteId        int IDENTITY(1, 1) NOT NULL CONSTRAINT PK_ContactNote PRIMARY KEY,
    ContactId     int                NOT NULL,
    Body          nvarchar(max)      NOT NULL,
    WrittenBy     nvarchar(60)       NOT NULL CONSTRAINT DF_ContactNote_WrittenBy DEFAULT (SUSER_SNAME()),
    WrittenAt     datetimeoffset(7)  NOT NULL,
    CONSTRAINT FK_ContactNote_Contact FOREIGN KEY (ContactId)
        REFERENCES dbo.Contact (ContactId) ON DELETE CASCADE
);
GO
CREATE TABLE dbo.List (
    ListId        int IDENTITY(1, 1) NOT NULL CONSTRAINT PK_List PRIMARY KEY,
    AccountId     int                NOT NULL,
    Name          nvarchar(120)      NOT NULL,
    Description   nvarchar(max)      NULL,
    DoubleOptIn   bit                NOT NULL CONSTRAINT DF_List_DoubleOptIn DEFAULT (1),
    CONSTRAINT UQ_List_Name UNIQUE (AccountId, Name),
    CONSTRAINT FK_List_Account FOREIGN KEY (AccountId) REFERENCES dbo.Account (AccountId)
);
GO
CREATE TABLE dbo.ListMember (
    ListId        int           NOT NULL,
    ContactId     int           NOT NULL,
    AddedAt       smalldatetime NOT NULL,
    Origin        char(1)       NOT NULL CONSTRAINT DF_ListMember_Origin DEFAULT ('F'),
    CONSTRAINT PK_ListMember PRIMARY KEY (ListId, ContactId),
    CONSTRAINT FK_ListMember_List FOREIGN KEY (ListId) REFERENCES dbo.List (ListId) ON DELETE CASCADE,
    CONSTRAINT FK_ListMember_Contact FOREIGN KEY (ContactId) REFERENCES dbo.Contact (ContactId) ON DELETE CASCADE,
    CONSTRAINT CK_ListMember_Origin CHECK (Origin IN ('F', 'I', 'A', 'S'))
);
GO
CREATE INDEX IX_ListMember_Contact ON dbo.ListMember (ContactId);
GO
CREATE TABLE dbo.Segment (
    SegmentId     int           NOT NULL CONSTRAINT PK_Segment PRIMARY KEY,
    ParentId      int           NULL,
    ListId        int           NOT NULL,
    Name          nvarchar(120) NOT NULL,
    Definition    xml           NOT NULL,
    LastSize      int           NULL,
    CONSTRAINT FK_Segment_Parent FOREIGN KEY (ParentId) REFERENCES dbo.Segment (SegmentId),
    CONSTRAINT FK_Segment_List FOREIGN KEY (ListId) REFERENCES dbo.List (ListId)
);
GO
CREATE TABLE dbo.SuppressionReason (
    ReasonId      tinyint      NOT NULL CONSTRAINT PK_SuppressionReason PRIMARY KEY,
    Code          varchar(20)  NOT NULL CONSTRAINT UQ_SuppressionReason_Code UNIQUE,
    Label         nvarchar(80) NOT NULL
);
GO
CREATE TABLE dbo.Suppression (
    SuppressionId int IDENTITY(1, 1) NOT NULL CONSTRAINT PK_Suppression PRIMARY KEY,
    ContactId     int                NULL,
    Email         nvarchar(254)      NOT NULL,
    ReasonId      tinyint            NOT NULL,
    Source        varchar(20)        NOT NULL CONSTRAINT DF_Suppression_Source DEFAULT ('web'),
    LiftedAt      datetime2(0)       NULL,
    CreatedAt     datetime2(3)       NOT NULL CONSTRAINT DF_Suppression_CreatedAt DEFAULT (SYSUTCDATETIME()),
    CONSTRAINT FK_Suppression_Contact FOREIGN KEY (ContactId) REFERENCES dbo.Contact (ContactId) ON DELETE SET NULL,
    CONSTRAINT FK_Suppression_Reason FOREIGN KEY (ReasonId) REFERENCES dbo.SuppressionReason (ReasonId)
);
GO
-- One suppression in force for a contact; lifted ones stay as history.
CREATE UNIQUE INDEX UX_Suppression_InForce ON dbo.Suppression (ContactId)
    WHERE ContactId IS NOT NULL AND LiftedAt IS NULL;
GO
CREATE TABLE dbo.ImportBatch (
    ImportBatchId int IDENTITY(1, 1) NOT NULL CONSTRAINT PK_ImportBatch PRIMARY KEY,
    AccountId     int                NOT NULL CONSTRAINT FK_ImportBatch_Account REFERENCES dbo.Account (AccountId),
    FileName      nvarchar(260)      NOT NULL,
    Content       varbinary(max)     NULL,
    ContentHash   binary(32)         NOT NULL,
    RejectRatio   real               NOT NULL,
    Fee           smallmoney         NULL,
    StartedAt     datetime           NOT NULL,
    TookTime      time(3)            NULL
);
GO
CREATE TABLE sms.PhoneNumber (
    PhoneId       int IDENTITY(1, 1) NOT NULL CONSTRAINT PK_PhoneNumber PRIMARY KEY,
    ContactId     int                NULL,
    Number        varchar(20)        NOT NULL,
    Carrier       nvarchar(40)       NULL,
    CostPerPart   smallmoney         NOT NULL,
    IsBlocked     bit                NOT NULL CONSTRAINT DF_PhoneNumber_IsBlocked DEFAULT (0),
    CONSTRAINT UQ_PhoneNumber_Number UNIQUE (Number),
    CONSTRAINT FK_PhoneNumber_Contact FOREIGN KEY (ContactId) REFERENCES dbo.Contact (ContactId) ON DELETE SET NULL,
    CONSTRAINT CK_PhoneNumber_Number CHECK (Number LIKE '+[0-9]%')
);
GO
CREATE TABLE sms.Unsubscribe (
    UnsubscribeId bigint IDENTITY(1, 1) NOT NULL CONSTRAINT PK_Unsubscribe PRIMARY KEY,
    Number        varchar(20)           NOT NULL,
    Keyword       nvarchar(20)          NOT NULL,
    ReceivedAt    datetimeoffset(3)     NOT NULL,
    HonouredAt    datetimeoffset(3)     NULL
);
GO
CREATE TABLE consent.Consent (
    ConsentId     uniqueidentifier   NOT NULL CONSTRAINT DF_Consent_Id DEFAULT (NEWID()),
    ContactId     int                NOT NULL,
    Purpose       varchar(30)        NOT NULL,
    GivenAt       datetimeoffset(7)  NOT NULL,
    WithdrawnAt   datetimeoffset(7)  NULL,
    Proof         varbinary(64)      NULL,
    IpAddress     binary(16)         NULL,
    Wording       nvarchar(400)      NULL,
    CONSTRAINT PK_Consent PRIMARY KEY NONCLUSTERED (ConsentId),
    CONSTRAINT FK_Consent_Contact FOREIGN KEY (ContactId) REFERENCES dbo.Contact (ContactId) ON DELETE CASCADE,
    CONSTRAINT CK_Consent_Order CHECK (WithdrawnAt IS NULL OR WithdrawnAt >= GivenAt)
);
GO
CREATE CLUSTERED INDEX CX_Consent ON consent.Consent (ContactId, Purpose);
GO
CREATE TABLE audit.ContactChange (
    ChangeId      bigint IDENTITY(1, 1) NOT NULL CONSTRAINT PK_ContactChange PRIMARY KEY,
    ContactId     int                   NOT NULL,
    Change        char(1)               NOT NULL,
    OldEmail      nvarchar(254)         NULL,
    NewEmail      nvarchar(254)         NULL,
    ChangedBy     nvarchar(128)         NOT NULL CONSTRAINT DF_ContactChange_ChangedBy DEFAULT (SUSER_SNAME()),
    ChangedAt     datetime2(7)          NOT NULL CONSTRAINT DF_ContactChange_ChangedAt DEFAULT (SYSUTCDATETIME()),
    CONSTRAINT CK_ContactChange_Change CHECK (Change IN ('I', 'U', 'D'))
);
GO
CREATE INDEX IX_ContactChange_Contact ON audit.ContactChange (ContactId, ChangedAt DESC);
GO
-- One column of every common type. The rows hold the edges: smallest, largest, empty, NULL, trailing blanks.
CREATE TABLE dbo.EdgeCase (
    EdgeCaseId    int IDENTITY(-5, 7) NOT NULL CONSTRAINT PK_EdgeCase PRIMARY KEY,
    Label         varchar(60)         NOT NULL,
    ATinyInt      tinyint             NULL,
    ASmallInt     smallint            NULL,
    AnInt         int                 NULL,
    ABigInt       bigint              NULL,
    ABit          bit                 NULL,
    ADecimal      decimal(38, 10)     NULL,
    ANumeric      numeric(18, 0)      NULL,
    AMoney        money               NULL,
    ASmallMoney   smallmoney          NULL,
    AFloat        float               NULL,
    AReal         real                NULL,
    ADate         date                NULL,
    ATime         time(7)             NULL,
    ATime0        time(0)             NULL,
    ADateTime     datetime            NULL,
    ASmallDate    smalldatetime       NULL,
    ADateTime2    datetime2(7)        NULL,
    ADateTime20   datetime2(0)        NULL,
    AnOffset      datetimeoffset(7)   NULL,
    AChar         char(10)            NULL,
    AVarchar      varchar(50)         NULL,
    AVarcharMax   varchar(max)        NULL,
    AnNchar       nchar(10)           NULL,
    AnNvarchar    nvarchar(50)        NULL,
    AnNvarcharMax nvarchar(max)       NULL,
    ABinary       binary(8)           NULL,
    AVarbinary    varbinary(50)       NULL,
    AVarbinaryMax varbinary(max)      NULL,
    AGuid         uniqueidentifier    NULL,
    AnXml         xml                 NULL,
    ABinText      varchar(40) COLLATE Latin1_General_BIN2 NULL,
    RowVer        rowversion          NOT NULL
);
GO
