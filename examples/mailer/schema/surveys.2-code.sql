-- The hand-over of collected responses to the main system.
CREATE VIEW dbo.SurveyProgress
AS
SELECT s.SurveyId, s.Title, COUNT(r.ResponseId) AS Responses, COUNT(r.FinishedAt) AS Finished
FROM dbo.Survey AS s
LEFT OUTER JOIN dbo.Response AS r ON r.SurveyId = s.SurveyId
GROUP BY s.SurveyId, s.Title;
GO
CREATE VIEW forms.OpenForm
AS
SELECT f.FormId, f.Slug, f.Title, f.ListId
FROM forms.SignUpForm AS f;
GO
CREATE TRIGGER dbo.trg_Response_Hold ON dbo.Response
AFTER INSERT
AS
BEGIN
    SET NOCOUNT ON;
    INSERT INTO dbo.HandOver (ResponseId, HeldSince)
    SELECT i.ResponseId, SYSUTCDATETIME() FROM inserted AS i;
END;
GO
CREATE PROCEDURE dbo.usp_HandOver
    @Batch int = 25
AS
BEGIN
    SET NOCOUNT ON;
    UPDATE dbo.HandOver
    SET WrittenAt = SYSUTCDATETIME()
    WHERE HandOverId IN (SELECT TOP (@Batch) h.HandOverId FROM dbo.HandOver AS h
                         WHERE h.WrittenAt IS NULL ORDER BY h.HandOverId);
END;
GO
CREATE PROCEDURE dbo.usp_AnswersOf
    @ResponseId int
AS
BEGIN
    SET NOCOUNT ON;
    SELECT q.Position, q.Wording, a.TextValue, a.NumberValue, a.DateValue
    FROM dbo.Answer AS a
    INNER JOIN dbo.Question AS q ON q.QuestionId = a.QuestionId
    WHERE a.ResponseId = @ResponseId
    ORDER BY q.Position;
END;
GO
