-- Surveys and sign-up forms. They keep collecting while the main system is away; the hand-over waits.
CREATE SCHEMA forms AUTHORIZATION dbo;
GO
CREATE TABLE dbo.Survey (
    SurveyId      int IDENTITY(1, 1) NOT NULL CONSTRAINT PK_Survey PRIMARY KEY,
    AccountId     int                NOT NULL,
    Title         nvarchar(200)      NOT NULL,
    Language      varchar(12)        NOT NULL,
    OpensOn       date               NULL,
    ClosesOn      date               NULL,
    Theme         xml                NULL,
    CONSTRAINT CK_Survey_Dates CHECK (ClosesOn IS NULL OR OpensOn IS NULL OR ClosesOn >= OpensOn)
);
GO
CREATE TABLE dbo.Question (
    QuestionId    int IDENTITY(1, 1) NOT NULL CONSTRAINT PK_Question PRIMARY KEY,
    SurveyId      int                NOT NULL,
    Position      tinyint            NOT NULL,
    Wording       nvarchar(500)      NOT NULL,
    Kind          varchar(10)        NOT NULL,
    IsRequired    bit                NOT NULL CONSTRAINT DF_Question_IsRequired DEFAULT (0),
    CONSTRAINT UQ_Question_Position UNIQUE (SurveyId, Position),
    CONSTRAINT FK_Question_Survey FOREIGN KEY (SurveyId) REFERENCES dbo.Survey (SurveyId) ON DELETE CASCADE,
    CONSTRAINT CK_Question_Kind CHECK (Kind IN ('text', 'choice', 'number', 'date'))
);
GO
CREATE TABLE dbo.Choice (
    QuestionId    int           NOT NULL,
    Position      tinyint       NOT NULL,
    Label         nvarchar(200) NOT NULL,
    CONSTRAINT PK_Choice PRIMARY KEY (QuestionId, Position),
    CONSTRAINT FK_Choice_Question FOREIGN KEY (QuestionId) REFERENCES dbo.Question (QuestionId) ON DELETE CASCADE
);
GO
CREATE TABLE dbo.Response (
    ResponseId    int IDENTITY(1, 1) NOT NULL CONSTRAINT PK_Response PRIMARY KEY,
    SurveyId      int                NOT NULL CONSTRAINT FK_Response_Survey REFERENCES dbo.Survey (SurveyId),
    ContactId     int                NULL,
    StartedAt     datetime2(3)       NOT NULL,
    FinishedAt    datetime2(3)       NULL,
    TookSeconds   AS (DATEDIFF(SECOND, StartedAt, FinishedAt))
);
GO
CREATE TABLE dbo.Answer (
    ResponseId    int            NOT NULL,
    QuestionId    int            NOT NULL,
    TextValue     nvarchar(max)  NULL,
    NumberValue   numeric(18, 6) NULL,
    DateValue     date           NULL,
    CONSTRAINT PK_Answer PRIMARY KEY (ResponseId, QuestionId),
    CONSTRAINT FK_Answer_Response FOREIGN KEY (ResponseId) REFERENCES dbo.Response (ResponseId) ON DELETE CASCADE,
    CONSTRAINT FK_Answer_Question FOREIGN KEY (QuestionId) REFERENCES dbo.Question (QuestionId)
);
GO
CREATE TABLE dbo.HandOver (
    HandOverId    int IDENTITY(1, 1) NOT NULL CONSTRAINT PK_HandOver PRIMARY KEY,
    ResponseId    int                NOT NULL CONSTRAINT FK_HandOver_Response REFERENCES dbo.Response (ResponseId),
    HeldSince     datetime2(0)       NOT NULL,
    WrittenAt     datetime2(0)       NULL
);
GO
CREATE INDEX IX_HandOver_Held ON dbo.HandOver (HeldSince) WHERE WrittenAt IS NULL;
GO
CREATE TABLE forms.SignUpForm (
    FormId        uniqueidentifier NOT NULL CONSTRAINT PK_SignUpForm PRIMARY KEY,
    ListId        int              NOT NULL,
    Title         nvarchar(200)    NOT NULL,
    Fields        xml              NOT NULL,
    Slug          varchar(60)      NOT NULL CONSTRAINT UQ_SignUpForm_Slug UNIQUE
);
GO
CREATE TABLE forms.Submission (
    SubmissionId  bigint IDENTITY(1, 1) NOT NULL CONSTRAINT PK_Submission PRIMARY KEY,
    FormId        uniqueidentifier      NOT NULL CONSTRAINT FK_Submission_Form REFERENCES forms.SignUpForm (FormId),
    Email         nvarchar(254)         NOT NULL,
    Fields        nvarchar(max)         NULL,
    SentAt        datetimeoffset(0)     NOT NULL,
    Captcha       real                  NULL
);
GO
