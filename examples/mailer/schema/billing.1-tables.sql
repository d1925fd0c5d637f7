-- Billing: what accounts owe, what they paid, and a ledger that nobody may rewrite.
CREATE SCHEMA ledger AUTHORIZATION dbo;
GO
CREATE SEQUENCE dbo.InvoiceNumber AS bigint START WITH 20240001 INCREMENT BY 1 MINVALUE 20240001 MAXVALUE 99999999 NO CYCLE;
GO
CREATE TABLE dbo.Currency (
    Code          char(3)        NOT NULL CONSTRAINT PK_Currency PRIMARY KEY,
    Name          nvarchar(60)   NOT NULL,
    Symbol        nvarchar(4)    NOT NULL,
    PerEuro       decimal(19, 9) NOT NULL
);
GO
CREATE TABLE dbo.TaxRate (
    Country       char(2)       NOT NULL,
    ValidFrom     date          NOT NULL,
    Rate          decimal(6, 4) NOT NULL,
    CONSTRAINT PK_TaxRate PRIMARY KEY (Country, ValidFrom),
    CONSTRAINT CK_TaxRate_Rate CHECK (Rate >= 0 AND Rate < 1)
);
GO
CREATE TABLE dbo.PricePlan (
    PricePlanId   smallint       NOT NULL CONSTRAINT PK_PricePlan PRIMARY KEY,
    Name          nvarchar(60)   NOT NULL,
    PerThousand   smallmoney     NOT NULL,
    Monthly       money          NOT NULL CONSTRAINT DF_PricePlan_Monthly DEFAULT (0),
    Terms         varchar(max)   NULL
);
GO
CREATE TABLE dbo.Customer (
    CustomerId    int           NOT NULL CONSTRAINT PK_Customer PRIMARY KEY,
    PricePlanId   smallint      NOT NULL CONSTRAINT FK_Customer_PricePlan REFERENCES dbo.PricePlan (PricePlanId),
    Name          nvarchar(200) NOT NULL,
    VatNumber     varchar(20)   NULL,
    Currency      char(3)       NOT NULL CONSTRAINT FK_Customer_Currency REFERENCES dbo.Currency (Code),
    Address       nvarchar(400) NULL,
    CreditLimit   money         NULL
);
GO
CREATE UNIQUE INDEX UX_Customer_Vat ON dbo.Customer (VatNumber) WHERE VatNumber IS NOT NULL;
GO
CREATE TABLE dbo.Invoice (
    InvoiceNo     bigint       NOT NULL CONSTRAINT DF_Invoice_No DEFAULT (NEXT VALUE FOR dbo.InvoiceNumber),
    CustomerId    int          NOT NULL,
    IssuedOn      date         NOT NULL,
    DueOn         AS (DATEADD(DAY, 30, IssuedOn)),
    Currency      char(3)      NOT NULL,
    State         varchar(10)  NOT NULL CONSTRAINT DF_Invoice_State DEFAULT ('open'),
    Pdf           varbinary(max) NULL,
    RowVer        rowversion   NOT NULL,
    CONSTRAINT PK_Invoice PRIMARY KEY (InvoiceNo),
    CONSTRAINT FK_Invoice_Customer FOREIGN KEY (CustomerId) REFERENCES dbo.Customer (CustomerId),
    CONSTRAINT CK_Invoice_State CHECK (State IN ('open', 'paid', 'void'))
);
GO
CREATE TABLE dbo.InvoiceLine (
    InvoiceNo     bigint         NOT NULL,
    LineNumber    smallint       NOT NULL,
    Item          nvarchar(200)  NOT NULL,
    Quantity      decimal(12, 3) NOT NULL,
    UnitPrice     decimal(19, 6) NOT NULL,
    Discount      float          NULL,
    Net           AS (CAST(Quantity * UnitPrice AS decimal(19, 4))) PERSISTED,
    CONSTRAINT PK_InvoiceLine PRIMARY KEY (InvoiceNo, LineNumber),
    CONSTRAINT FK_InvoiceLine_Invoice FOREIGN KEY (InvoiceNo) REFERENCES dbo.Invoice (InvoiceNo) ON DELETE CASCADE
);
GO
CREATE TABLE dbo.Payment (
    PaymentId     uniqueidentifier NOT NULL CONSTRAINT PK_Payment PRIMARY KEY CONSTRAINT DF_Payment_Id DEFAULT (NEWID()),
    InvoiceNo     bigint           NOT NULL CONSTRAINT FK_Payment_Invoice REFERENCES dbo.Invoice (InvoiceNo),
    Amount        money            NOT NULL CONSTRAINT CK_Payment_Amount CHECK (Amount <> 0),
    PaidAt        datetime         NOT NULL,
    CardTail      char(4)          NULL,
    Receipt       xml              NULL
);
GO
CREATE TABLE dbo.UsageDaily (
    CustomerId    int          NOT NULL CONSTRAINT FK_UsageDaily_Customer REFERENCES dbo.Customer (CustomerId),
    Day           date         NOT NULL,
    Mails         int          NOT NULL,
    SmsParts      smallint     NOT NULL CONSTRAINT DF_UsageDaily_SmsParts DEFAULT (0),
    Charge        money        NOT NULL,
    CONSTRAINT PK_UsageDaily PRIMARY KEY (CustomerId, Day)
);
GO
CREATE TABLE ledger.Entry (
    EntryId       bigint IDENTITY(1, 1) NOT NULL CONSTRAINT PK_Entry PRIMARY KEY,
    InvoiceNo     bigint                NULL,
    Account       char(6)               NOT NULL,
    Debit         decimal(19, 4)        NOT NULL CONSTRAINT DF_Entry_Debit DEFAULT (0),
    Credit        decimal(19, 4)        NOT NULL CONSTRAINT DF_Entry_Credit DEFAULT (0),
    BookedAt      datetime2(0)          NOT NULL,
    CONSTRAINT CK_Entry_OneSide CHECK ((Debit = 0 AND Credit <> 0) OR (Debit <> 0 AND Credit = 0))
);
GO
