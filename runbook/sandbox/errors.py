"""SQL Server's error texts, by number, as far as the instance raises them.

Numbers, severities and texts follow ``sys.messages`` of the product; ``{0}`` stands for its printf slots.
"""

from __future__ import annotations

from runbook.sandbox.contract import UNSUPPORTED, SqlError

MESSAGES: dict[int, tuple[int, str]] = {
    102: (15, "Incorrect syntax near '{0}'."),
    155: (15, "'{0}' is not a recognized {1} option."),
    226: (16, "{0} statement not allowed within multi-statement transaction."),
    229: (14, "The EXECUTE permission was denied on the object '{0}', database 'msdb', schema 'dbo'."),
    262: (14, "{0} permission denied in database '{1}'."),
    911: (16, "Database '{0}' does not exist. Make sure that the name is entered correctly."),
    916: (
        14,
        'The server principal "{0}" is not able to access the database "{1}" under the current security context.',
    ),
    922: (14, "Database '{0}' is being recovered. Waiting until recovery is finished."),
    923: (
        14,
        "Database '{0}' is in restricted mode. Only the database owner and members of the dbcreator and sysadmin "
        "roles can access it.",
    ),
    924: (14, "Database '{0}' is already open and can only have one user at a time."),
    926: (
        14,
        "Database '{0}' cannot be opened. It has been marked SUSPECT by recovery. See the SQL Server errorlog for "
        "more information.",
    ),
    927: (14, "Database '{0}' cannot be opened. It is in the middle of a restore."),
    942: (14, "Database '{0}' cannot be opened because it is offline."),
    944: (10, "Converting database '{0}' from version {1} to the current version {2}."),
    945: (
        16,
        "Database '{0}' cannot be opened due to inaccessible files or insufficient memory or disk space. See the "
        "SQL Server errorlog for details.",
    ),
    948: (
        20,
        "The database '{0}' cannot be opened because it is version {1}. This server supports version {2} and "
        "earlier. A downgrade path is not supported.",
    ),
    951: (10, "Database '{0}' running the upgrade step from version {1} to version {2}."),
    952: (16, "Database '{0}' is in transition. Try the statement later."),
    1105: (
        17,
        "Could not allocate space for object '{0}' in database '{1}' because the 'PRIMARY' filegroup is full. Create "
        "disk space by deleting unneeded files, dropping objects in the filegroup, adding additional files to the "
        "filegroup, or setting autogrowth on for existing files in the filegroup.",
    ),
    1801: (16, "Database '{0}' already exists. Choose a different database name."),
    1802: (16, "CREATE DATABASE failed. Some file names listed could not be created. Check related errors."),
    1813: (16, "Could not open new database '{0}'. CREATE DATABASE is aborted."),
    1816: (16, "Database snapshot on the system database {0} is not allowed."),
    1817: (
        16,
        'Only the owner of database "{0}" or the system administrator can create a database snapshot on it.',
    ),
    1821: (16, "Cannot create a database snapshot on another database snapshot."),
    1822: (16, "The database must be online to have a database snapshot."),
    1834: (16, "The file '{0}' cannot be overwritten.  It is being used by database '{1}'."),
    1844: (16, "{0} is not supported on {1}."),
    2501: (16, 'Cannot find a table or object with the name "{0}". Check the system catalog.'),
    2520: (
        16,
        "Could not find database '{0}'. The database either does not exist, or was dropped before a statement "
        "tried to use it. Verify if the database exists by querying the sys.databases catalog view.",
    ),
    2528: (10, "DBCC execution completed. If DBCC printed error messages, contact your system administrator."),
    2593: (10, 'There are {0} rows in {1} pages for object "{2}".'),
    3002: (16, "Cannot BACKUP or RESTORE a database snapshot."),
    3013: (16, "{0} is terminating abnormally."),
    3014: (10, "{0} successfully processed {1} pages in {2} seconds ({3} MB/sec)."),
    3021: (16, "Cannot perform a backup or restore operation within a transaction."),
    3023: (
        16,
        "Backup, file manipulation operations (such as ALTER DATABASE ADD FILE) and encryption changes on a database "
        "must be serialized. Reissue the statement after the current backup or file manipulation operation is "
        "completed.",
    ),
    3031: (16, "Option '{0}' conflicts with option(s) '{1}'. Remove the conflicting option and reissue the statement."),
    3033: (16, "BACKUP DATABASE cannot be used on a database opened in emergency mode."),
    3035: (
        16,
        'Cannot perform a differential backup for database "{0}", because a current database backup does not exist. '
        "Perform a full database backup by reissuing BACKUP DATABASE, omitting the WITH DIFFERENTIAL option.",
    ),
    3101: (16, "Exclusive access could not be obtained because the database is in use."),
    3102: (
        16,
        "{0} cannot process database '{1}' because it is in use by this session. It is recommended that the master "
        "database be used when performing this operation.",
    ),
    3108: (
        16,
        "To restore the master database, the server must be running in single-user mode. For information on "
        'starting in single-user mode, see "How to: Start an Instance of SQL Server (sqlservr.exe)" in Books '
        "Online.",
    ),
    3110: (14, "User does not have permission to RESTORE database '{0}'."),
    3117: (16, "The log or differential backup cannot be restored because no files are ready to rollforward."),
    3118: (
        16,
        'The database "{0}" does not exist. RESTORE can only create a database when restoring either a full backup '
        "or a file backup of the primary file.",
    ),
    3119: (16, "Problems were identified while planning for the RESTORE statement. Previous messages provide details."),
    3132: (16, "The media set has {0} media families but only {1} are provided. All members must be provided."),
    3135: (
        16,
        "The backup set in file '{0}' was created by {1} and cannot be used for this restore operation.",
    ),
    3136: (
        16,
        "This differential backup cannot be restored because the database has not been restored to the correct "
        "earlier state.",
    ),
    3137: (
        16,
        "Database cannot be reverted. Either the primary or the snapshot names are improperly specified, all other "
        "snapshots have not been dropped, or there are missing files.",
    ),
    3139: (16, "Restore to snapshot is not allowed with the master database."),
    3142: (
        16,
        'File "{0}" cannot be restored over the existing "{1}". Reissue the RESTORE statement using WITH REPLACE to '
        "overwrite pre-existing files, or WITH MOVE to identify an alternate location.",
    ),
    3147: (16, "Backup and restore operations are not allowed on database tempdb."),
    3153: (16, "The database is already fully recovered."),
    3154: (16, "The backup set holds a backup of a database other than the existing '{0}' database."),
    3156: (16, "File '{0}' cannot be restored to '{1}'. Use WITH MOVE to identify a valid location for the file."),
    3159: (
        16,
        'The tail of the log for the database "{0}" has not been backed up. Use BACKUP LOG WITH NORECOVERY to backup '
        "the log if it contains work you do not want to lose. Use the WITH REPLACE or WITH STOPAT clause of the "
        "RESTORE statement to just overwrite the contents of the log.",
    ),
    3168: (
        16,
        "The backup of the system database on the device {0} cannot be restored because it was created by a "
        "different version of the server ({1}) than this server ({2}).",
    ),
    3169: (
        16,
        "The database was backed up on a server running version {0}. That version is incompatible with this server, "
        "which is running version {1}. Either restore the database on a server that supports the backup, or use a "
        "backup that is compatible with this server.",
    ),
    3176: (
        16,
        "File '{0}' is claimed by '{1}'({2}) and '{3}'({4}). The WITH MOVE clause can be used to relocate one or "
        "more files.",
    ),
    3180: (
        16,
        "This backup cannot be restored using WITH STANDBY because a database upgrade is needed. Reissue the RESTORE "
        "without WITH STANDBY.",
    ),
    3183: (16, 'RESTORE detected an error on page ({0}:{1}) in database "{2}" as read from the backup set.'),
    3187: (
        16,
        "RESTORE WITH CHECKSUM cannot be specified because the backup set does not contain checksum information.",
    ),
    3189: (16, "Damage to the backup set was detected."),
    3201: (16, "Cannot open backup device '{0}'. Operating system error {1}."),
    3202: (16, 'Write on "{0}" failed: {1}'),
    3203: (16, 'Read on "{0}" failed: {1}'),
    3204: (16, "The backup or restore was aborted."),
    3205: (16, "Too many backup devices specified for backup or restore; only 64 are allowed."),
    3206: (
        16,
        "Backup device '{0}' does not exist. To view existing backup devices, use the sys.backup_devices catalog "
        "view. To create a new backup device use either sp_addumpdevice or SQL Server Management Studio.",
    ),
    3211: (10, "{0} percent processed."),
    3234: (
        16,
        "Logical file '{0}' is not part of database '{1}'. Use RESTORE FILELISTONLY to list the logical file names.",
    ),
    3241: (
        16,
        "The media family on device '{0}' is incorrectly formed. SQL Server cannot process this media family.",
    ),
    3254: (16, "The volume on device '{0}' is empty."),
    3256: (
        16,
        "The backup set on device '{0}' was terminated while it was being created and is incomplete. RESTORE "
        "sequence is terminated abnormally.",
    ),
    3257: (
        16,
        "There is insufficient free space on disk volume '{0}' to create the database. The database requires {1} "
        "additional free bytes, while only {2} bytes are available.",
    ),
    3262: (10, "The backup set on file {0} is valid."),
    3287: (16, "The file ID {0} on device '{1}' is incorrectly formed and can not be read."),
    3415: (
        16,
        "Database '{0}' cannot be upgraded because it is read-only, has read-only files or the user does not have "
        "permissions to modify some of the files. Make the database or files writeable, and rerun recovery.",
    ),
    3608: (16, "Cannot create a worktable."),
    3634: (16, "The operating system returned the error '{0}' while attempting '{1}' on '{2}'."),
    3701: (11, "Cannot drop the {0} '{1}', because it does not exist or you do not have permission."),
    3702: (16, 'Cannot drop database "{0}" because it is currently in use.'),
    3703: (16, "Cannot detach the {0} '{1}' because it is currently in use."),
    3706: (16, "Cannot {0} a database snapshot."),
    3708: (16, "Cannot {0} the database '{1}' because it is a system database."),
    3709: (
        16,
        'Cannot {0} the database while the database snapshot "{1}" refers to it. Drop that database first.',
    ),
    3741: (16, "Cannot drop the database snapshot."),
    3906: (16, 'Failed to update database "{0}" because the database is read-only.'),
    4035: (10, "Processed {0} pages for database '{1}', file '{2}' on file {3}."),
    4060: (11, 'Cannot open database "{0}" requested by the login. The login failed.'),
    4064: (11, "Cannot open user default database. Login failed."),
    4208: (
        16,
        "The statement {0} is not allowed while the recovery model is SIMPLE. Use BACKUP DATABASE or change the "
        "recovery model using ALTER DATABASE.",
    ),
    4212: (16, "Cannot back up the log of the master database. Use BACKUP DATABASE instead."),
    4214: (16, "BACKUP LOG cannot be performed because there is no current database backup."),
    4217: (
        10,
        "BACKUP LOG cannot modify the database because the database is read-only. The backup will continue, although "
        "subsequent backups will duplicate the work of this backup.",
    ),
    4305: (
        16,
        "The log in this backup set begins at LSN {0}, which is too recent to apply to the database. An earlier log "
        "backup that includes LSN {1} can be restored.",
    ),
    4326: (
        16,
        "The log in this backup set terminates at LSN {0}, which is too early to apply to the database. A more "
        "recent log backup that includes LSN {1} can be restored.",
    ),
    4330: (
        16,
        "This backup set cannot be applied because it is on a recovery path that is inconsistent with the database. "
        "The recovery path is the sequence of data and log backups that have brought the database to a particular "
        "recovery point. Find a compatible backup to restore, or restore the rest of the database to match a "
        "recovery point within this backup set, which will restore the database to a different point in time.",
    ),
    4333: (16, "The database cannot be recovered because the log was not restored."),
    4355: (
        16,
        "The revert command is incorrectly specified. The RESTORE statement must be of the form: RESTORE DATABASE "
        "<x> FROM DATABASE_SNAPSHOT = <y>.",
    ),
    5004: (
        16,
        "To use ALTER DATABASE, the database must be in a writable state in which a checkpoint can be executed.",
    ),
    5011: (
        14,
        "User does not have permission to alter database '{0}', the database does not exist, or the database is not "
        "in a state that allows access checks.",
    ),
    5030: (16, "The database could not be exclusively locked to perform the operation."),
    5052: (16, "{0} is not permitted while a database is in the {1} state."),
    5058: (16, "Option '{0}' cannot be set in database '{1}'."),
    5060: (
        10,
        "Nonqualified transactions are being rolled back. Estimated rollback completion: {0}%.",
    ),
    5061: (16, "ALTER DATABASE failed because a lock could not be placed on database '{0}'. Try again later."),
    5062: (
        16,
        'The option "{0}" conflicts with another requested option. The options cannot both be requested at the '
        "same time.",
    ),
    5064: (
        16,
        "Changes to the state or options of database '{0}' cannot be made at this time. The database is in "
        "single-user mode, and a user is currently connected to it.",
    ),
    5069: (16, "ALTER DATABASE statement failed."),
    5070: (16, "Database state cannot be changed while other users are using the database '{0}'"),
    5093: (16, "The operation cannot be performed on a database snapshot."),
    5094: (
        16,
        "The operation cannot be performed on a database with database snapshots or active DBCC replicas.",
    ),
    5114: (
        16,
        "Log files, offline files, restoring files, and defunct files for database snapshots should not be "
        'specified. "{0}" is not an eligible file for a database snapshot.',
    ),
    5120: (16, 'Unable to open the physical file "{0}". Operating system error {1}.'),
    5123: (
        16,
        "CREATE FILE encountered operating system error {0} while attempting to open or create the physical file "
        "'{1}'.",
    ),
    5127: (16, 'All files must be specified for database snapshot creation. Missing the file "{0}".'),
    5128: (17, "Write to sparse file '{0}' failed due to lack of disk space."),
    5133: (16, 'Directory lookup for the file "{0}" failed with the operating system error {1}.'),
    5170: (
        16,
        "Cannot create file '{0}' because it already exists. Change the file path or the file name, and retry the "
        "operation.",
    ),
    5171: (16, "{0} is not a primary database file."),
    5701: (10, "Changed database context to '{0}'."),
    6005: (10, "SHUTDOWN is in progress."),
    6006: (10, "Server shut down by {0} from login {1}."),
    6101: (16, "Session ID {0} is not valid."),
    6102: (14, "User does not have permission to use the KILL statement."),
    6104: (16, "Cannot use KILL to kill your own process."),
    6106: (16, "Process ID {0} is not an active process ID."),
    6107: (14, "Only user processes can be killed."),
    6109: (
        10,
        "SPID {0}: transaction rollback in progress. Estimated rollback completion: {1}%. Estimated time remaining: "
        "{2} seconds.",
    ),
    6115: (16, "KILL command cannot be used inside user transactions."),
    6120: (16, "Status report cannot be obtained. Rollback operation for Process ID {0} is not in progress."),
    7983: (14, "User '{0}' does not have permission to run DBCC {1} for database '{2}'."),
    7997: (16, "'{0}' does not contain an identity column."),
    8928: (
        16,
        "Object ID {0}, index ID {1}, partition ID 0, alloc unit ID 0 (type In-row data): Page (1:{2}) could not be "
        "processed.  See other errors for details.",
    ),
    8939: (
        16,
        "Table error: Object ID 0, index ID -1, partition ID 0, alloc unit ID 0 (type Unknown), page (0:0). "
        "Test ({0}) failed. Values are 0 and 0.",
    ),
    8958: (10, "{0} is the minimum repair level for the errors found by DBCC {1} ({2})."),
    8989: (10, "CHECKDB found {0} allocation errors and {1} consistency errors in database '{2}'."),
    14262: (16, "The specified {0} ('{1}') does not exist."),
    14261: (16, "The specified {0} ('{1}') already exists."),
    14266: (16, "The specified '{0}' is invalid (valid values are: {1})."),
    15007: (16, "'{0}' is not a valid login or you do not have permission."),
    15010: (
        16,
        "The database '{0}' does not exist. Supply a valid database name. To see available databases, use "
        "sys.databases.",
    ),
    15021: (16, "Invalid value given for parameter {0}. Specify a valid parameter value."),
    15025: (16, "The server principal '{0}' already exists."),
    15048: (16, "Valid values of the database compatibility level are {0}."),
    15123: (16, "The configuration option '{0}' does not exist, or it may be an advanced option."),
    15129: (16, "'{0}' is not a valid value for configuration option '{1}'."),
    15151: (16, "Cannot {0} the {1} '{2}', because it does not exist or you do not have permission."),
    15174: (
        16,
        "Login '{0}' owns one or more database(s). Change the owner of the database(s) before dropping the login.",
    ),
    15247: (16, "User does not have permission to perform this action."),
    15405: (16, "Cannot use the special principal '{0}'."),
    15433: (16, "Supplied parameter sid is in use."),
    15434: (16, "Could not drop login '{0}' as the user is currently logged in."),
    15457: (10, "Configuration option '{0}' changed from {1} to {2}. Run the RECONFIGURE statement to install."),
    18456: (14, "Login failed for user '{0}'."),
    18470: (14, "Login failed for user '{0}'. Reason: The account is disabled."),
    22022: (16, "SQLServerAgent Error: Request to {0} job {1} (from User {2}) refused because {3}."),
}


def text(number: int, *slots: object) -> str:
    """The text of a message with its slots filled."""
    return MESSAGES[number][1].format(*slots)


def error(number: int, *slots: object, state: int = 1, also: tuple[SqlError, ...] = ()) -> SqlError:
    """A SqlError with the product's text and severity."""
    return SqlError(number, text(number, *slots), MESSAGES[number][0], state, also=also)


def unsupported(what: str) -> SqlError:
    """The refusal of something the sandbox does not do."""
    return SqlError(UNSUPPORTED, f"sandbox: {what} is not supported by the sandbox", 16)


def with_companion(first: SqlError, *companions: SqlError) -> SqlError:
    """The same error followed by others (the generic one last)."""
    first.also = (*first.also, *companions)
    return first
