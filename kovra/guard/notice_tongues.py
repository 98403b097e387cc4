"""Kovra's own notices in the languages of servers: the same as those of the commands.

A server's language is what its settings say, else what Discord says of it; one that is not here reads English.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from kovra.actions.request import Action


@dataclass(frozen=True, kw_only=True)
class Tongue:
    """One language.

    ``name`` is what its speakers call it. ``done`` completes ``later``, the first line for who is told afterwards;
    ``before`` are those of who is told first, whatever case it will be. ``rest`` are the lines below. ``units`` are a
    day, an hour, a minute and a second, one of them and several.
    """

    name: str
    done: Mapping[Action, str]
    later: str
    before: Mapping[Action, str]
    rest: str
    units: tuple[tuple[str, str], ...]


ENGLISH = "en"

TONGUES: Mapping[str, Tongue] = MappingProxyType(
    {
        ENGLISH: Tongue(
            name="English",
            done={
                Action.BAN: "banned",
                Action.SOFTBAN: "removed",
                Action.KICK: "kicked",
                Action.MUTE: "muted",
                Action.WARN: "warned",
                Action.QUARANTINE: "put in quarantine",
            },
            later="You have been {action} in **{server}**.",
            before={
                Action.BAN: "You are being banned from **{server}**.",
                Action.SOFTBAN: "You are being removed from **{server}**, and your latest messages with you. You may "
                "join again with an invite.",
                Action.KICK: "You are being kicked from **{server}**. You may join again with an invite.",
            },
            rest="\nUntil: {expires}\nReason: {reason}\nAppeal: {appeal}\n-# Case #{case}",
            units=(("day", "days"), ("hour", "hours"), ("minute", "minutes"), ("second", "seconds")),
        ),
        "de": Tongue(
            name="Deutsch",
            done={
                Action.BAN: "gebannt",
                Action.SOFTBAN: "entfernt",
                Action.KICK: "gekickt",
                Action.MUTE: "stummgeschaltet",
                Action.WARN: "verwarnt",
                Action.QUARANTINE: "unter Quarantäne gestellt",
            },
            later="Du wurdest auf **{server}** {action}.",
            before={
                Action.BAN: "Du wirst von **{server}** gebannt.",
                Action.SOFTBAN: "Du wirst mit deinen neuesten Nachrichten von **{server}** entfernt. Mit einer "
                "Einladung kannst du wiederkommen.",
                Action.KICK: "Du wirst von **{server}** gekickt. Mit einer Einladung kannst du wiederkommen.",
            },
            rest="\nBis: {expires}\nGrund: {reason}\nEinspruch: {appeal}\n-# Fall #{case}",
            units=(("Tag", "Tage"), ("Stunde", "Stunden"), ("Minute", "Minuten"), ("Sekunde", "Sekunden")),
        ),
        "fr": Tongue(
            name="Français",
            done={
                Action.BAN: "banni(e)",
                Action.SOFTBAN: "retiré(e)",
                Action.KICK: "expulsé(e)",
                Action.MUTE: "exclu(e) temporairement",
                Action.WARN: "averti(e)",
                Action.QUARANTINE: "mis(e) en quarantaine",
            },
            later="Vous avez été {action} sur **{server}**.",
            before={
                Action.BAN: "Vous êtes banni(e) de **{server}**.",
                Action.SOFTBAN: "Vous êtes retiré(e) de **{server}**, avec vos derniers messages. Vous pouvez revenir "
                "avec une invitation.",
                Action.KICK: "Vous êtes expulsé(e) de **{server}**. Vous pouvez revenir avec une invitation.",
            },
            rest="\nJusqu’au : {expires}\nMotif : {reason}\nRecours : {appeal}\n-# Dossier #{case}",
            units=(("jour", "jours"), ("heure", "heures"), ("minute", "minutes"), ("seconde", "secondes")),
        ),
        "es-ES": Tongue(
            name="Español",
            done={
                Action.BAN: "baneado(a)",
                Action.SOFTBAN: "retirado(a)",
                Action.KICK: "expulsado(a)",
                Action.MUTE: "aislado(a) temporalmente",
                Action.WARN: "advertido(a)",
                Action.QUARANTINE: "puesto(a) en cuarentena",
            },
            later="Has sido {action} en **{server}**.",
            before={
                Action.BAN: "Se te va a banear de **{server}**.",
                Action.SOFTBAN: "Se te va a retirar de **{server}**, junto con tus últimos mensajes. Puedes volver con "
                "una invitación.",
                Action.KICK: "Se te va a expulsar de **{server}**. Puedes volver con una invitación.",
            },
            rest="\nHasta: {expires}\nMotivo: {reason}\nApelación: {appeal}\n-# Caso #{case}",
            units=(("día", "días"), ("hora", "horas"), ("minuto", "minutos"), ("segundo", "segundos")),
        ),
        "pt-BR": Tongue(
            name="Português (Brasil)",
            done={
                Action.BAN: "banido(a)",
                Action.SOFTBAN: "removido(a)",
                Action.KICK: "expulso(a)",
                Action.MUTE: "silenciado(a)",
                Action.WARN: "advertido(a)",
                Action.QUARANTINE: "colocado(a) em quarentena",
            },
            later="Você foi {action} em **{server}**.",
            before={
                Action.BAN: "Você está sendo banido(a) de **{server}**.",
                Action.SOFTBAN: "Você está sendo removido(a) de **{server}**, com suas últimas mensagens. Você pode "
                "voltar com um convite.",
                Action.KICK: "Você está sendo expulso(a) de **{server}**. Você pode voltar com um convite.",
            },
            rest="\nAté: {expires}\nMotivo: {reason}\nRecurso: {appeal}\n-# Caso #{case}",
            units=(("dia", "dias"), ("hora", "horas"), ("minuto", "minutos"), ("segundo", "segundos")),
        ),
    }
)

#: What Discord calls Spanish elsewhere (API reference, Locales).
_SAME = {"es-419": "es-ES"}


def language_of(*locales: str | None) -> str:
    """The language of the first of these locales that is known at all; English when that has no texts."""
    locale = next(filter(None, locales), ENGLISH)
    locale = _SAME.get(locale, locale)
    return locale if locale in TONGUES else ENGLISH
