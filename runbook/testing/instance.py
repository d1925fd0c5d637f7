"""A SQL Server instance of a fake world: what it holds and who may enter.

The world's own side, without time and faults; :mod:`runbook.testing.sqlserver` is the handle a program gets on it.
"""

from __future__ import annotations

import uuid
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

from runbook.journal.reading import Row
from runbook.marker import Marker
from runbook.ports import (
    DatabaseFile,
    DatabaseState,
    JobDefinition,
    Login,
    RecoveryModel,
    ServerIdentity,
    UserAccess,
    Volume,
)
from runbook.testing.clock import FakeClock
from runbook.testing.content import Content
from runbook.testing.disk import GIB, BackupFile, FakeDisk, Settings, Shelf
from runbook.testing.errors import ImpossibleWorld
from runbook.testing.model import BUILDS, DEFAULT_OPTIONS, NOT_OPEN, SA_SID, Client, Database, Job
from runbook.testing.refusals import refusal

GONE = 596
"""What a client of a dead server sees."""


@dataclass
class Instance:
    """One SQL Server. Databases are found whatever the case of the name."""

    role: str
    clock: FakeClock
    disk: FakeDisk
    server_name: str
    year: int = 2019
    build: str = ""
    """Its version, when it is another than the usual one of that year."""
    edition: str = "Developer Edition (64-bit)"
    platform: str = "Linux"
    collation: str = "SQL_Latin1_General_CP1_CI_AS"
    mounts: dict[str, str] = field(default_factory=dict)
    """Directory as this server sees it -> name of the place on the world's disk."""
    databases: dict[str, Database] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    logins: dict[str, Login] = field(default_factory=dict)
    clients: list[Client] = field(default_factory=list)
    waiting: list[Client] = field(default_factory=list)
    """Thrown out, and back soon after the door opens."""
    reconnect_after: float = 1.0
    lingering: dict[str, Generator[object, None, None]] = field(default_factory=dict)
    """Database -> what a dead executor asked for and the server still works on."""
    missing_permissions: tuple[str, ...] = ()
    foreign_backups: list[tuple[str, str]] = field(default_factory=list)
    """(command, database) of BACKUP or RESTORE statements somebody else runs."""
    log_history: list[BackupFile] = field(default_factory=list)
    """What msdb knows of log backups, oldest first."""
    agent: bool = True
    skew: timedelta = timedelta(0)
    down: bool = False
    lock_holder: str | None = None
    lock: object = None
    """The lock that is held, as its holder has it."""
    marker: Marker | None = None
    """Who may act here, as msdb knows it: outlives sessions and restarts."""
    copies: dict[str, dict[int, Row]] = field(default_factory=dict)
    """Run -> rows of its journal that are kept here a second time."""
    copies_refused: bool = False
    """Its msdb takes no rows; all else goes on."""
    slots: set[str] = field(default_factory=set)
    """Single-user databases (lower case) in which this run's own connection sits: nobody else can take the slot."""
    recover_resets_broker: bool = True
    """The harsher reading of the documents: recovery alone disables the broker too."""
    _serial: int = 50

    def serial(self) -> int:
        """The next number; ids of this instance never repeat."""
        self._serial += 1
        return self._serial

    def guid(self) -> str:
        """A new identifier, the same in every run of a test."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.server_name} {self.serial()}")).upper()

    @property
    def internal_version(self) -> int:
        """Of the database files this version writes, the newest it can open."""
        return BUILDS[self.year][1]

    @property
    def major(self) -> int:
        """13 is 2016."""
        return int(BUILDS[self.year][0].split(".", 1)[0])

    def identity(self) -> ServerIdentity:
        """As the port gives it."""
        windows = self.platform == "Windows"
        root = "C:\\SQL" if windows else "/var/opt/mssql"
        separator = "\\" if windows else "/"
        return ServerIdentity(
            server_name=self.server_name,
            machine_name=self.server_name.split("\\", 1)[0],
            version=self.build or BUILDS[self.year][0],
            edition=self.edition,
            engine_edition=2 if self.edition.startswith("Standard") else 3,
            collation=self.collation,
            platform=self.platform,
            path_separator=separator,
            data_path=f"{root}{separator}data{separator}",
            log_path=f"{root}{separator}data{separator}",
            backup_path=f"{root}{separator}backup{separator}",
        )

    # -- databases

    def find(self, name: str) -> Database | None:
        """The database or snapshot of that name."""
        return self.databases.get(name.lower())

    def get(self, name: str) -> Database:
        """The database of that name, for tests: one that must be there."""
        found = self.find(name)
        if found is None:
            raise ImpossibleWorld(f"{self.role} has no database {name}")
        return found

    def existing(self, name: str, number: int = 911) -> Database:
        """The database of that name, or the server's refusal."""
        found = self.find(name)
        if found is None:
            raise refusal(number, name)
        return found

    def opened(self, name: str) -> Database:
        """The database of that name, open to this run (a sysadmin)."""
        found = self.existing(name)
        if found.state in NOT_OPEN:
            raise refusal(NOT_OPEN[found.state], found.name)
        if found.settings.user_access is UserAccess.SINGLE_USER and self.in_database(name):
            raise refusal(924, found.name)
        return found

    def add(self, database: Database) -> Database:
        """Put a database in place."""
        self.databases[database.name.lower()] = database
        return database

    def remove(self, database: Database) -> None:
        """It is gone, its sessions with it."""
        del self.databases[database.name.lower()]
        self.clients = [one for one in self.clients if one.database.lower() != database.name.lower()]

    def create_database(
        self,
        name: str,
        content: Content,
        settings: Settings | None = None,
        *,
        size: int = GIB,
        backed_up: bool = True,
        features: frozenset[str] = frozenset(),
    ) -> Database:
        """A database as it has stood here for years: ``backed_up`` means its log chain has begun."""
        chosen = settings or Settings(compatibility_level=self.major * 10)
        database = Database(
            name=name,
            database_id=self.serial(),
            family_guid=self.guid(),
            created_at="2021-05-04T09:12:33.120",
            forks=(self.guid(),),
            settings=replace(chosen, options={**DEFAULT_OPTIONS, **chosen.options}),
            content=content,
            internal_version=self.internal_version,
            files=self.default_files(name, size),
            features=features,
            last_checkdb=self.clock.now() - timedelta(days=1),
        )
        if backed_up:
            database.diff_base = self.guid()
            database.log_backup_lsn = None if chosen.recovery_model is RecoveryModel.SIMPLE else database.lsn
        return self.add(database)

    def default_files(self, name: str, size: int) -> tuple[DatabaseFile, ...]:
        """One data and one log file in the default directories."""
        identity = self.identity()
        return (
            DatabaseFile(name, f"{identity.data_path}{name}.mdf", "ROWS", size * 3 // 4),
            DatabaseFile(f"{name}_log", f"{identity.log_path}{name}_log.ldf", "LOG", size // 4),
        )

    def snapshots_of(self, name: str) -> list[Database]:
        """Its snapshots."""
        return [one for one in self.databases.values() if (one.snapshot_of or "").lower() == name.lower()]

    # -- disks

    def locate(self, path: str) -> tuple[Shelf, str] | None:
        """The place and the name there of a path as this server sees it; None when the directory does not exist."""
        plain = path.replace("\\", "/")
        fitting = [mount for mount in self.mounts if plain.startswith(mount.replace("\\", "/").rstrip("/") + "/")]
        if not fitting:
            return None
        mount = max(fitting, key=len)
        return self.disk.place(self.mounts[mount]), plain[len(mount.rstrip("/\\")) + 1 :]

    def volumes(self) -> Iterator[Volume]:
        """Every volume this server sees."""
        for mount, place in self.mounts.items():
            yield Volume(mount, self.disk.place(place).total, self.available(place))

    def available(self, place: str) -> int:
        """Bytes free there."""
        shelf = self.disk.place(place)
        return shelf.available(sum(self._bytes_at(one, shelf) for one in self.databases.values()))

    def _bytes_at(self, database: Database, shelf: Shelf) -> int:
        found = ((self.locate(file.path), file.size_bytes) for file in database.files if not database.snapshot_of)
        return sum(size for place, size in found if place is not None and place[0] is shelf)

    # -- the process

    def die(self) -> None:
        """The server process is gone; who was connected waits for it to come back."""
        self.down = True
        self.slots.clear()
        self.waiting += [one for one in self.clients if one.reconnects]
        self.clients.clear()
        self.end_lock()
        self.end_lingering()

    def end_lock(self) -> None:
        """The session that held it is gone, or gave it back."""
        self.lock_holder = self.lock = None

    def start(self, recovering: float) -> None:
        """Databases recover; a revert that was cut off goes on to its end."""
        self.down = False
        for database in self.databases.values():
            if database.state is DatabaseState.ONLINE and recovering:
                database.state = DatabaseState.RECOVERING
        self.clock.later(recovering, self._recovered)

    def _recovered(self) -> None:
        for database in self.databases.values():
            if database.state is DatabaseState.RECOVERING:
                database.state = DatabaseState.ONLINE
        self.door_moved()

    def end_lingering(self) -> int:
        """End the statements of executors that are gone; returns how many there were."""
        ended = len(self.lingering)
        for work in self.lingering.values():
            work.close()
        self.lingering.clear()
        return ended

    # -- clients

    def in_database(self, name: str) -> list[Client]:
        """Sessions of clients in a database."""
        return [one for one in self.clients if one.database.lower() == name.lower()]

    def admits(self, database: Database, *, privileged: bool) -> int:
        """0 when a new client may enter, else the number of the refusal."""
        if self.down:
            return GONE
        if database.state in NOT_OPEN:
            return NOT_OPEN[database.state]
        access = database.settings.user_access
        if access is UserAccess.RESTRICTED_USER and not privileged:
            return 923
        if access is UserAccess.SINGLE_USER and (
            database.name.lower() in self.slots or self.in_database(database.name)
        ):
            return 924
        return 0

    def knows(self, login: str, database: Database) -> bool:
        """True when that login exists, is enabled and is the one the database's user of that name belongs to."""
        user = database.content.users.get(login)
        found = self.logins.get(login)
        return user is None or (found is not None and not found.is_disabled and found.sid == user)

    def usable(self, database: Database, *, privileged: bool = False) -> bool:
        """True when an ordinary client (or an administrator) gets in, or is in already."""
        inside = [one for one in self.in_database(database.name) if privileged or not one.privileged]
        is_open = database.state is DatabaseState.ONLINE
        return bool(is_open and inside) or not self.admits(database, privileged=privileged)

    def connect(
        self, database: str, login: str = "mailer_app", *, privileged: bool = False, reconnects: bool = False
    ) -> Client:
        """A client enters; raises the server's refusal when it may not."""
        found = self.existing(database)
        number = self.admits(found, privileged=privileged)
        if number:
            raise refusal(number, found.name)
        client = Client(self.serial(), found.name, login, privileged, reconnects)
        self.clients.append(client)
        return client

    def throw_out(self, client: Client) -> None:
        """End a session; a connection pool is back a moment later if the door is open then."""
        self.clients.remove(client)
        if client.reconnects:
            self.waiting.append(client)
            self.door_moved()

    def door_moved(self) -> None:
        """Access changed: whoever waits tries again after ``reconnect_after`` seconds."""
        if self.waiting:
            self.clock.later(self.reconnect_after, self._come_back)

    def _come_back(self) -> None:
        for client in self.waiting[:]:
            database = self.find(client.database)
            if database is not None and not self.admits(database, privileged=client.privileged):
                self.waiting.remove(client)
                self.clients.append(replace(client, session_id=self.serial(), open_transactions=0))

    # -- logins and jobs

    def login_of(self, sid: str) -> str | None:
        """The login with that SID."""
        if sid == SA_SID:
            return "sa"
        return next((one.name for one in self.logins.values() if one.sid == sid), None)

    def sid_of(self, login: str) -> str:
        """Its SID, or the server's refusal."""
        if login == "sa":
            return SA_SID
        if login not in self.logins:
            raise refusal(15151, "login", login)
        return self.logins[login].sid

    def job(self, job_id: str) -> Job:
        """The job, or the server's refusal."""
        if job_id not in self.jobs:
            raise refusal(14262, job_id)
        return self.jobs[job_id]

    def add_job(self, definition: JobDefinition) -> Job:
        """A job with a new id."""
        if any(job.definition.name == definition.name for job in self.jobs.values()):
            raise refusal(14261, definition.name)
        job = Job(self.guid(), definition, definition.enabled)
        self.jobs[job.job_id] = job
        return job

    def run_job(self, name: str, database: str, lasts: float) -> bool:
        """The Agent starts a job if it is enabled; it inserts a row if the database lets an administrator in."""
        job = next((one for one in self.jobs.values() if one.definition.name == name), None)
        if self.down or job is None or not job.enabled:
            return False
        job.running_until = self.clock.now() + timedelta(seconds=lasts)
        found = self.find(database)
        return found is not None and not self.admits(found, privileged=True) and found.insert(f"job {name}")

    def running(self, job: Job) -> bool:
        """True while it runs."""
        return job.running_until is not None and job.running_until > self.clock.now()
