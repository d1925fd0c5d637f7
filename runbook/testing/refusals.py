"""SQL Server's refusals with its own numbers and texts (docs: reference of errors, sections 3.2, 4.2 and 5.8).

The first error of a statement counts: that is the one an ODBC client on Linux sees, so ``number`` is the specific
one and not the 3013 or 5069 that follows it.
"""

from __future__ import annotations

from runbook.errors import ServerError

UNKNOWN = 50999
"""What the fake does not know: refused by name, never a pretended success."""
INJECTED = 50998

TEXTS: dict[int, tuple[int, str]] = {
    0: (16, "{}"),
    208: (16, "Invalid object name '{}'."),
    596: (21, "Cannot continue the execution because the session is in the kill state."),
    911: (16, "Database '{}' does not exist. Make sure that the name is entered correctly."),
    922: (14, "Database '{}' is being recovered. Waiting until recovery is finished."),
    923: (
        14,
        "Database '{}' is in restricted mode. Only the database owner and members of the dbcreator and sysadmin"
        " roles can access it.",
    ),
    924: (14, "Database '{}' is already open and can only have one user at a time."),
    926: (
        14,
        "Database '{}' cannot be opened. It has been marked SUSPECT by recovery. See the SQL Server errorlog for"
        " more information.",
    ),
    927: (14, "Database '{}' cannot be opened. It is in the middle of a restore."),
    942: (14, "Database '{}' cannot be opened because it is offline."),
    945: (
        16,
        "Database '{}' cannot be opened due to inaccessible files or insufficient memory or disk space. See the"
        " SQL Server errorlog for details.",
    ),
    1105: (17, "Could not allocate space for object in database '{}' because the 'PRIMARY' filegroup is full."),
    1801: (16, "Database '{}' already exists. Choose a different database name."),
    1821: (16, "Cannot create a database snapshot on another database snapshot."),
    1822: (16, "The database must be online to have a database snapshot."),
    1834: (16, "The file '{}' cannot be overwritten.  It is being used by database '{}'."),
    3002: (16, "Cannot BACKUP or RESTORE a database snapshot."),
    3035: (
        16,
        'Cannot perform a differential backup for database "{}", because a current database backup does not exist.',
    ),
    3101: (16, "Exclusive access could not be obtained because the database is in use."),
    3117: (16, "The log or differential backup cannot be restored because no files are ready to rollforward."),
    3118: (
        16,
        'The database "{}" does not exist. RESTORE can only create a database when restoring either a full'
        " backup or a file backup of the primary file.",
    ),
    3136: (
        16,
        "This differential backup cannot be restored because the database has not been restored to the correct"
        " earlier state.",
    ),
    3137: (
        16,
        "Database cannot be reverted. Either the primary or the snapshot names are improperly specified, all"
        " other snapshots have not been dropped, or there are missing files.",
    ),
    3138: (16, "The database cannot be reverted because FILESTREAM BLOBs are present."),
    3153: (16, "The database is already fully recovered."),
    3154: (16, "The backup set holds a backup of a database other than the existing '{}' database."),
    3159: (
        16,
        'The tail of the log for the database "{}" has not been backed up. Use BACKUP LOG WITH NORECOVERY to'
        " backup the log if it contains work you do not want to lose.",
    ),
    3169: (
        16,
        "The database was backed up on a server running database version {}. That version is incompatible with"
        " this server, which supports version {}.",
    ),
    3183: (16, 'RESTORE detected an error on page (1:1) in database "{}" as read from the backup set.'),
    3189: (16, "Damage to the backup set was detected."),
    3201: (16, "Cannot open backup device '{}'. Operating system error {}."),
    3202: (16, 'Write on "{}" failed: 112(There is not enough space on the disk.)'),
    3241: (16, "The media family on device '{}' is incorrectly formed. SQL Server cannot process this media family."),
    3256: (
        16,
        "The backup set on device '{}' was terminated while it was being created and is incomplete. RESTORE"
        " sequence is terminated abnormally.",
    ),
    3257: (
        16,
        "There is insufficient free space on disk volume '{}' to create the database. The database requires {}"
        " additional free bytes, while only {} bytes are available.",
    ),
    3701: (11, "Cannot drop the database '{}', because it does not exist or you do not have permission."),
    3702: (16, 'Cannot drop database "{}" because it is currently in use.'),
    3709: (16, 'Cannot drop the database while the database snapshot "{}" refers to it. Drop that database first.'),
    3906: (16, 'Failed to update database "{}" because the database is read-only.'),
    4208: (
        16,
        "The statement BACKUP LOG is not allowed while the recovery model is SIMPLE. Use BACKUP DATABASE or"
        " change the recovery model using ALTER DATABASE.",
    ),
    4214: (16, "BACKUP LOG cannot be performed because there is no current database backup."),
    4305: (
        16,
        "The log in this backup set begins at LSN {}, which is too recent to apply to the database. An earlier"
        " log backup that includes LSN {} can be restored.",
    ),
    4326: (
        16,
        "The log in this backup set terminates at LSN {}, which is too early to apply to the database. A more"
        " recent log backup that includes LSN {} can be restored.",
    ),
    4330: (
        16,
        "This backup set cannot be applied because it is on a recovery path that is inconsistent with the database.",
    ),
    4333: (16, "The database cannot be recovered because the log was not restored."),
    5011: (
        14,
        "User does not have permission to alter database '{}', the database does not exist, or the database is"
        " not in a state that allows access checks.",
    ),
    5052: (16, "ALTER DATABASE is not permitted while a database is in the {} state."),
    5058: (16, "Option '{}' cannot be set in database '{}'."),
    5064: (
        16,
        "Changes to the state or options of database '{}' cannot be made at this time. The database is in"
        " single-user mode, and a user is currently connected to it.",
    ),
    5093: (16, "The operation cannot be performed on a database snapshot."),
    5133: (
        16,
        'Directory lookup for the file "{}" failed with the operating system error 2(The system cannot find'
        " the file specified.).",
    ),
    6104: (16, "Cannot use KILL to kill your own process."),
    1205: (
        13,
        "Transaction was deadlocked on lock resources with another process and has been chosen as the deadlock"
        " victim. Rerun the transaction.",
    ),
    14234: (16, "The specified '@owner_login_name' is invalid (valid values are returned by sp_helplogins)."),
    15063: (16, "The login already has an account under a different user name."),
    15110: (16, "The proposed new database owner is already a user or aliased in the database."),
    14261: (16, "The specified @name ('{}') already exists."),
    14262: (16, "The specified @job_name ('{}') does not exist."),
    15025: (16, "The server principal '{}' already exists."),
    15151: (16, "Cannot find the {} '{}', because it does not exist or you do not have permission."),
    15433: (16, "Supplied parameter sid is in use."),
    15434: (16, "Could not drop login '{}' as the user is currently logged in."),
    22022: (16, "SQLServerAgent Error: Request to stop job {} refused because the job is not currently running."),
    50000: (16, "{}"),
    INJECTED: (16, "injected failure"),
    UNKNOWN: (16, "the fake does not know this: {}"),
}


def refusal(number: int, *arguments: object, hint: str = "", statement: str = "") -> ServerError:
    """The error as the adapter would raise it; to be raised by the caller."""
    severity, text = TEXTS.get(number, (16, "error {}"))
    message = text.format(*(arguments or (number,)))
    return ServerError(
        message[0].lower() + message[1:].rstrip("."), number=number, severity=severity, statement=statement, hint=hint
    )


def lost(statement: str) -> ServerError:
    """The connection broke before an answer came: the outcome is unknown."""
    return ServerError(
        "the connection to the server was lost before it answered",
        statement=statement,
        in_doubt=True,
        hint="Look at the server before doing anything else.",
    )
