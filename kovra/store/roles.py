"""The roles that web, worker and bot act as. They belong to the cluster, so any database of it may have made them."""

from __future__ import annotations

from sqlalchemy import Connection, text

from kovra.errors import KovraError

ROLES = ("kovra_web", "kovra_worker", "kovra_bot")

#: PostgreSQL 16 separated "may administer a role" from "may act as it".
_MAY_ACT_AS = "SELECT pg_has_role(current_user, :role, :how)"


class MigrationRefused(KovraError):
    """The login may not do what a migration needs. The message says what to do."""


def make_roles(connection: Connection) -> None:
    """Make the roles that are missing and let the migrating login act as each.

    Raises:
        MigrationRefused: a role is missing, or may not be taken on, and this login may not change that.
    """
    user = connection.scalar(text("SELECT current_user"))
    may_create = connection.scalar(text("SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user"))
    for role in ROLES:
        exists = connection.scalar(text("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = :role)"), {"role": role})
        if not exists:
            if not may_create:
                raise MigrationRefused(_remedy(user, "may not create roles, and these do not exist"))
            # Another database of the cluster may be migrated at this very moment.
            connection.execute(
                text(
                    f"DO $$ BEGIN CREATE ROLE {role} LOGIN; "
                    "EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
                )
            )
        if not _may_act_as(connection, role):
            _let_act_as(connection, role, user, bool(may_create))


def _may_act_as(connection: Connection, role: str) -> bool:
    how = "SET" if _version(connection) >= 160000 else "MEMBER"
    return bool(connection.scalar(text(_MAY_ACT_AS), {"role": role, "how": how}))


def _let_act_as(connection: Connection, role: str, user: str, may_create: bool) -> None:
    # Acting as a role must be said (SET ROLE); the owner does not have its rights by the way.
    how = " WITH INHERIT FALSE, SET TRUE" if _version(connection) >= 160000 else ""
    may_grant = may_create
    if _version(connection) >= 160000:
        may_grant = bool(connection.scalar(text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"))) or bool(
            connection.scalar(text(_MAY_ACT_AS), {"role": role, "how": "MEMBER WITH ADMIN OPTION"})
        )
    if not may_grant:
        raise MigrationRefused(_remedy(user, f"may not act as {role}"))
    connection.execute(text(f"GRANT {role} TO CURRENT_USER{how}"))


def _version(connection: Connection) -> int:
    return int(connection.scalar(text("SHOW server_version_num")) or 0)


def _remedy(user: str, trouble: str) -> str:
    made = " ".join(f"CREATE ROLE {role} LOGIN;" for role in ROLES)
    return (
        f"Kovra needs the PostgreSQL roles {', '.join(ROLES)}. The login {user!r} of DATABASE_URL {trouble}. "
        f"Let a superuser run once: {made} GRANT {', '.join(ROLES)} TO {_quoted(user)}; "
        "(without the CREATE ROLE of those that exist), then start the release step again."
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
