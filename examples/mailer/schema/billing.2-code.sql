-- Sums, and the trigger that keeps the ledger as it was written.
CREATE FUNCTION dbo.fn_Gross (@net decimal(19, 4), @rate decimal(6, 4))
RETURNS decimal(19, 2)
AS
BEGIN
    RETURN ROUND(@net * (1 + ISNULL(@rate, 0)), 2);
END;
GO
CREATE VIEW dbo.InvoiceTotal
AS
SELECT i.InvoiceNo, i.CustomerId, i.IssuedOn, i.State, SUM(l.Net) AS Net, COUNT(*) AS Lines
FROM dbo.Invoice AS i
INNER JOIN dbo.InvoiceLine AS l ON l.InvoiceNo = i.InvoiceNo
GROUP BY i.InvoiceNo, i.CustomerId, i.IssuedOn, i.State;
GO
CREATE VIEW ledger.Balance
AS
SELECT e.Account, SUM(e.Debit) AS Debit, SUM(e.Credit) AS Credit, SUM(e.Debit) - SUM(e.Credit) AS Saldo
FROM ledger.Entry AS e
GROUP BY e.Account;
GO
CREATE TRIGGER ledger.trg_Entry_Immutable ON ledger.Entry
INSTEAD OF UPDATE, DELETE
AS
BEGIN
    SET NOCOUNT ON;
    THROW 51000, 'The ledger is written once; book a counter entry.', 1;
END;
GO
CREATE PROCEDURE dbo.usp_Pay
    @InvoiceNo bigint,
    @Amount money
AS
BEGIN
    SET NOCOUNT ON;
    SET XACT_ABORT ON;
    BEGIN TRY
        BEGIN TRANSACTION;
        INSERT INTO dbo.Payment (InvoiceNo, Amount, PaidAt) VALUES (@InvoiceNo, @Amount, GETUTCDATE());
        INSERT INTO ledger.Entry (InvoiceNo, Account, Debit, Credit, BookedAt)
        VALUES (@InvoiceNo, '120000', @Amount, 0, SYSUTCDATETIME()), (@InvoiceNo, '840000', 0, @Amount, SYSUTCDATETIME());
        UPDATE dbo.Invoice SET State = 'paid' WHERE InvoiceNo = @InvoiceNo;
        COMMIT TRANSACTION;
    END TRY
    BEGIN CATCH
        IF @@TRANCOUNT > 0
            ROLLBACK TRANSACTION;
        THROW;
    END CATCH;
END;
GO
CREATE PROCEDURE dbo.usp_NewInvoice
    @CustomerId int
AS
BEGIN
    SET NOCOUNT ON;
    DECLARE @no bigint;
    SET @no = NEXT VALUE FOR dbo.InvoiceNumber;
    INSERT INTO dbo.Invoice (InvoiceNo, CustomerId, IssuedOn, Currency)
    SELECT @no, c.CustomerId, CAST(SYSUTCDATETIME() AS date), c.Currency
    FROM dbo.Customer AS c
    WHERE c.CustomerId = @CustomerId;
    SELECT @no AS InvoiceNo;
END;
GO
