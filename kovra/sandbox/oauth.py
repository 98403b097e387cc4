"""Signing in with Discord: codes, tokens and their rules (RFC 6749 with PKCE, RFC 7636). Pure but for randomness."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from kovra.sandbox.world import Clock

#: Lifetimes: of a code (Discord does not say; a minute is short enough to matter) and of an access token (a week).
CODE_LIVES_S = 60
TOKEN_LIVES_S = 604_800

SCOPES = frozenset({"identify", "guilds", "guilds.members.read", "email", "bot", "applications.commands"})


class OAuthRefusal(Exception):
    """An error of the token endpoint.

    Args:
        error: the code of RFC 6749, such as ``invalid_grant``.
        description: what is wrong.
        status: the HTTP status.
    """

    def __init__(self, error: str, description: str = "", status: int = 400) -> None:
        super().__init__(f"{error}: {description}")
        self.error, self.description, self.status = error, description, status

    def body(self) -> dict[str, str]:
        body = {"error": self.error}
        if self.description:
            body["error_description"] = self.description
        return body


@dataclass(slots=True, kw_only=True)
class Grant:
    """What a person allowed: revoked as a whole."""

    user_id: int
    scopes: list[str]
    access_token: str
    refresh_token: str
    expires_at: float


@dataclass(slots=True, kw_only=True)
class Code:
    """A code on its way back to the client."""

    user_id: int
    scopes: list[str]
    redirect_uri: str
    challenge: str | None
    expires_at: float


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a client asks for on the consent page."""

    client_id: str
    redirect_uri: str
    scope: str
    state: str | None = None
    challenge: str | None = None
    prompt: str | None = None

    @classmethod
    def read(cls, query: Mapping[str, str], client_id: int) -> Wish:
        """Read the parameters of the authorize address.

        Raises:
            OAuthRefusal: they are not ones that Discord would show a page for.
        """
        if query.get("client_id") != str(client_id):
            raise OAuthRefusal("invalid_client", "Unknown application: client_id does not name the sandbox's bot.")
        if query.get("response_type") != "code":
            raise OAuthRefusal("unsupported_response_type", "response_type must be code.")
        redirect_uri = query.get("redirect_uri", "")
        if not is_loopback(redirect_uri):
            raise OAuthRefusal("invalid_request", "redirect_uri must lie on localhost or 127.0.0.1.")
        unknown = set(query.get("scope", "").split()) - SCOPES
        if unknown or not query.get("scope", "").split():
            raise OAuthRefusal(
                "invalid_scope", f"The requested scope is invalid: {' '.join(sorted(unknown)) or 'none'}"
            )
        challenge = query.get("code_challenge")
        if challenge is not None and query.get("code_challenge_method") != "S256":
            raise OAuthRefusal("invalid_request", "code_challenge_method must be S256.")
        return cls(
            client_id=str(client_id),
            redirect_uri=redirect_uri,
            scope=query["scope"],
            state=query.get("state"),
            challenge=challenge,
            prompt=query.get("prompt"),
        )

    def back(self, **answer: str) -> str:
        """The address that takes the person back to the client, with ``state`` when one was given."""
        if self.state is not None:
            answer["state"] = self.state
        joint = "&" if urlsplit(self.redirect_uri).query else "?"
        return f"{self.redirect_uri}{joint}{urlencode(answer)}"


@dataclass(kw_only=True)
class Authority:
    """The sandbox's authorization server.

    Args:
        clock: Unix time in seconds.
        client_id: the bot's application id.
        client_secret: its secret.
    """

    clock: Clock
    client_id: int
    client_secret: str
    grants: list[Grant] = field(default_factory=list)
    codes: dict[str, Code] = field(default_factory=dict)
    _by_token: dict[str, Grant] = field(default_factory=dict)

    def allow(self, wish: Wish, user_id: int) -> str:
        """A person says yes; returns the code."""
        code = secrets.token_urlsafe(24)
        self.codes[code] = Code(
            user_id=user_id,
            scopes=wish.scope.split(),
            redirect_uri=wish.redirect_uri,
            challenge=wish.challenge,
            expires_at=self.clock() + CODE_LIVES_S,
        )
        return code

    def token(self, form: Mapping[str, str], authorization: str | None) -> dict[str, Any]:
        """Answer the token endpoint: a code or a refresh token for a new access token."""
        self._authenticate(form, authorization)
        kind = form.get("grant_type")
        if kind == "authorization_code":
            return self._answer(self._redeem(form))
        if kind == "refresh_token":
            return self._answer(self._refresh(form))
        raise OAuthRefusal("unsupported_grant_type", "grant_type must be authorization_code or refresh_token.")

    def revoke(self, form: Mapping[str, str], authorization: str | None) -> None:
        """End a grant, by either of its tokens; an unknown token is no error (RFC 7009)."""
        self._authenticate(form, authorization)
        token = form.get("token", "")
        for grant in [g for g in self.grants if token in (g.access_token, g.refresh_token)]:
            self.grants.remove(grant)
            self._by_token.pop(grant.access_token, None)

    def holder(self, access_token: str) -> Grant | None:
        """The grant of a Bearer token, while it lives."""
        grant = self._by_token.get(access_token)
        return grant if grant and grant.expires_at > self.clock() else None

    def restore(self, grants: list[Grant]) -> None:
        """Take up grants kept from before."""
        self.grants = grants
        self._by_token = {grant.access_token: grant for grant in grants}

    def _authenticate(self, form: Mapping[str, str], authorization: str | None) -> None:
        client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
        if authorization and authorization.startswith("Basic "):
            try:
                client_id, _, secret = base64.b64decode(authorization[6:]).decode().partition(":")
            except ValueError:
                client_id = ""
        right = client_id == str(self.client_id) and hmac.compare_digest(secret.encode(), self.client_secret.encode())
        if not right:
            raise OAuthRefusal("invalid_client", status=401)

    def _redeem(self, form: Mapping[str, str]) -> Grant:
        # Taken out before anything is checked: a code is spent by the first try.
        code = self.codes.pop(form.get("code", ""), None)
        if code is None or code.expires_at < self.clock():
            raise OAuthRefusal("invalid_grant", 'Invalid "code" in request.')
        if form.get("redirect_uri") != code.redirect_uri:
            raise OAuthRefusal("invalid_grant", 'Invalid "redirect_uri" in request.')
        if code.challenge is not None and challenge_of(form.get("code_verifier", "")) != code.challenge:
            raise OAuthRefusal("invalid_grant", 'Invalid "code_verifier" in request.')
        grant = Grant(user_id=code.user_id, scopes=code.scopes, access_token="", refresh_token="", expires_at=0)
        self.grants.append(grant)
        return self._renew(grant)

    def _refresh(self, form: Mapping[str, str]) -> Grant:
        wanted = form.get("refresh_token")
        for grant in self.grants:
            if wanted and grant.refresh_token == wanted:
                return self._renew(grant)
        raise OAuthRefusal("invalid_grant", 'Invalid "refresh_token" in request.')

    def _renew(self, grant: Grant) -> Grant:
        self._by_token.pop(grant.access_token, None)
        grant.access_token, grant.refresh_token = secrets.token_urlsafe(22), secrets.token_urlsafe(22)
        grant.expires_at = self.clock() + TOKEN_LIVES_S
        self._by_token[grant.access_token] = grant
        return grant

    def _answer(self, grant: Grant) -> dict[str, Any]:
        return {
            "token_type": "Bearer",
            "access_token": grant.access_token,
            "expires_in": TOKEN_LIVES_S,
            "refresh_token": grant.refresh_token,
            "scope": " ".join(grant.scopes),
        }


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a PKCE verifier."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def is_loopback(uri: str) -> bool:
    """Whether an address lies on this machine; nobody is ever sent anywhere else."""
    parts = urlsplit(uri)
    return parts.scheme in ("http", "https") and parts.hostname in ("localhost", "127.0.0.1") and not parts.fragment
