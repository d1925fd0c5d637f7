-- The Agent jobs. Two of them are off, and have to be off after an upgrade as well.
-- Ten seconds is the shortest interval the Agent accepts.
EXEC msdb.dbo.sp_add_job @job_name = N'Mailer: heart-beat', @enabled = 1, @owner_login_name = N'sa',
    @description = N'Writes a row while the Agent is alive.';
EXEC msdb.dbo.sp_add_jobstep @job_name = N'Mailer: heart-beat', @step_id = 1, @step_name = N'beat', @subsystem = N'TSQL',
    @database_name = N'Tracking', @command = N'EXEC ops.usp_HeartBeat;', @on_success_action = 1;
EXEC msdb.dbo.sp_add_jobschedule @job_name = N'Mailer: heart-beat', @name = N'every 10 seconds', @enabled = 1, @freq_type = 4, @freq_interval = 1, @freq_subday_type = 2, @freq_subday_interval = 10,
    @active_start_time = 0;
EXEC msdb.dbo.sp_add_jobserver @job_name = N'Mailer: heart-beat', @server_name = N'(local)';
GO
EXEC msdb.dbo.sp_add_job @job_name = N'Mailer: scheduled sends', @enabled = 1, @owner_login_name = N'sa',
    @description = N'Sends what is due.';
EXEC msdb.dbo.sp_add_jobstep @job_name = N'Mailer: scheduled sends', @step_id = 1, @step_name = N'send', @subsystem = N'TSQL',
    @database_name = N'Campaigns', @command = N'EXEC send.usp_SendDue @Batch = 20;', @on_success_action = 1;
EXEC msdb.dbo.sp_add_jobschedule @job_name = N'Mailer: scheduled sends', @name = N'every minute', @enabled = 1, @freq_type = 4, @freq_interval = 1, @freq_subday_type = 4, @freq_subday_interval = 1,
    @active_start_time = 0;
EXEC msdb.dbo.sp_add_jobserver @job_name = N'Mailer: scheduled sends', @server_name = N'(local)';
GO
EXEC msdb.dbo.sp_add_job @job_name = N'Mailer: resend to non-openers', @enabled = 1, @owner_login_name = N'sa',
    @description = N'Queues a second mail for those who did not open the first.';
EXEC msdb.dbo.sp_add_jobstep @job_name = N'Mailer: resend to non-openers', @step_id = 1, @step_name = N'queue', @subsystem = N'TSQL',
    @database_name = N'Campaigns', @command = N'EXEC send.usp_Resend;', @on_success_action = 1;
EXEC msdb.dbo.sp_add_jobschedule @job_name = N'Mailer: resend to non-openers', @name = N'every hour', @enabled = 1, @freq_type = 4, @freq_interval = 1, @freq_subday_type = 8, @freq_subday_interval = 1,
    @active_start_time = 0;
EXEC msdb.dbo.sp_add_jobserver @job_name = N'Mailer: resend to non-openers', @server_name = N'(local)';
GO
EXEC msdb.dbo.sp_add_job @job_name = N'Mailer: bounce processing', @enabled = 1, @owner_login_name = N'sa',
    @description = N'Works through bounced mail.';
EXEC msdb.dbo.sp_add_jobstep @job_name = N'Mailer: bounce processing', @step_id = 1, @step_name = N'process', @subsystem = N'TSQL',
    @database_name = N'Campaigns', @command = N'EXEC send.usp_ProcessBounces @Batch = 10;', @on_success_action = 1;
EXEC msdb.dbo.sp_add_jobschedule @job_name = N'Mailer: bounce processing', @name = N'every 2 minutes', @enabled = 1, @freq_type = 4, @freq_interval = 1, @freq_subday_type = 4, @freq_subday_interval = 2,
    @active_start_time = 0;
EXEC msdb.dbo.sp_add_jobserver @job_name = N'Mailer: bounce processing', @server_name = N'(local)';
GO
EXEC msdb.dbo.sp_add_job @job_name = N'Mailer: tracking rollup', @enabled = 1, @owner_login_name = N'sa',
    @description = N'Sums opens and clicks by day.';
EXEC msdb.dbo.sp_add_jobstep @job_name = N'Mailer: tracking rollup', @step_id = 1, @step_name = N'roll up', @subsystem = N'TSQL',
    @database_name = N'Tracking', @command = N'EXEC rollup.usp_RollUp;', @on_success_action = 1;
EXEC msdb.dbo.sp_add_jobschedule @job_name = N'Mailer: tracking rollup', @name = N'every 15 minutes', @enabled = 1, @freq_type = 4, @freq_interval = 1, @freq_subday_type = 4, @freq_subday_interval = 15,
    @active_start_time = 0;
EXEC msdb.dbo.sp_add_jobserver @job_name = N'Mailer: tracking rollup', @server_name = N'(local)';
GO
EXEC msdb.dbo.sp_add_job @job_name = N'Mailer: nightly maintenance', @enabled = 1, @owner_login_name = N'sa',
    @description = N'Clears sent tickets and refreshes statistics.';
EXEC msdb.dbo.sp_add_jobstep @job_name = N'Mailer: nightly maintenance', @step_id = 1, @step_name = N'campaigns', @subsystem = N'TSQL',
    @database_name = N'Campaigns', @command = N'EXEC dbo.usp_NightlyMaintenance;', @on_success_action = 3;
EXEC msdb.dbo.sp_add_jobstep @job_name = N'Mailer: nightly maintenance', @step_id = 2, @step_name = N'tracking', @subsystem = N'TSQL',
    @database_name = N'Tracking', @command = N'EXEC ops.usp_Purge @KeepDays = 90;', @on_success_action = 1;
EXEC msdb.dbo.sp_add_jobschedule @job_name = N'Mailer: nightly maintenance', @name = N'daily at 02:00', @enabled = 1, @freq_type = 4, @freq_interval = 1, @freq_subday_type = 1,
    @active_start_time = 20000;
EXEC msdb.dbo.sp_add_jobserver @job_name = N'Mailer: nightly maintenance', @server_name = N'(local)';
GO
EXEC msdb.dbo.sp_add_job @job_name = N'Mailer: survey hand-over', @enabled = 1, @owner_login_name = N'sa',
    @description = N'Writes held survey responses to the main system.';
EXEC msdb.dbo.sp_add_jobstep @job_name = N'Mailer: survey hand-over', @step_id = 1, @step_name = N'hand over', @subsystem = N'TSQL',
    @database_name = N'Surveys', @command = N'EXEC dbo.usp_HandOver @Batch = 25;', @on_success_action = 1;
EXEC msdb.dbo.sp_add_jobschedule @job_name = N'Mailer: survey hand-over', @name = N'every 5 minutes', @enabled = 1, @freq_type = 4, @freq_interval = 1, @freq_subday_type = 4, @freq_subday_interval = 5,
    @active_start_time = 0;
EXEC msdb.dbo.sp_add_jobserver @job_name = N'Mailer: survey hand-over', @server_name = N'(local)';
GO
EXEC msdb.dbo.sp_add_job @job_name = N'Mailer: archive old campaigns', @enabled = 0, @owner_login_name = N'sa',
    @description = N'Off since the archive was declared complete.';
EXEC msdb.dbo.sp_add_jobstep @job_name = N'Mailer: archive old campaigns', @step_id = 1, @step_name = N'archive', @subsystem = N'TSQL',
    @database_name = N'Archive', @command = N'EXEC dbo.usp_ArchiveCampaigns @OlderThanDays = 3650;', @on_success_action = 1;
EXEC msdb.dbo.sp_add_jobschedule @job_name = N'Mailer: archive old campaigns', @name = N'daily at 03:30', @enabled = 1, @freq_type = 4, @freq_interval = 1, @freq_subday_type = 1,
    @active_start_time = 33000;
EXEC msdb.dbo.sp_add_jobserver @job_name = N'Mailer: archive old campaigns', @server_name = N'(local)';
GO
EXEC msdb.dbo.sp_add_job @job_name = N'Mailer: legacy CRM import', @enabled = 0, @owner_login_name = N'sa',
    @description = N'Off: the CRM moved to the API. Switching it on would import every contact twice.';
EXEC msdb.dbo.sp_add_jobstep @job_name = N'Mailer: legacy CRM import', @step_id = 1, @step_name = N'import', @subsystem = N'TSQL',
    @database_name = N'Contacts', @command = N'PRINT N''nothing to import'';', @on_success_action = 1;
EXEC msdb.dbo.sp_add_jobschedule @job_name = N'Mailer: legacy CRM import', @name = N'every 30 minutes', @enabled = 1, @freq_type = 4, @freq_interval = 1, @freq_subday_type = 4, @freq_subday_interval = 30,
    @active_start_time = 0;
EXEC msdb.dbo.sp_add_jobserver @job_name = N'Mailer: legacy CRM import', @server_name = N'(local)';
GO
