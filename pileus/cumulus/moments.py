"""Moments in templates of Cumulus: what they are read from, and how `dateFormat` writes them.

The tokens are those of moment.js in English and UTC, which Cumulus uses; of weeks, those of ISO 8601 alone.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ISO = "YYYY-MM-DDTHH:mm:ss[Z]"
_LITERAL = re.compile(r"\[([^\[]*)\]")
_TOKEN = re.compile(
    r"\[[^\[]*\]|[Hh]mm(?:ss)?|Mo|M{1,4}|Do|DDDo|D{1,4}|d{2,4}|do?|Wo|W{1,2}|Qo?|Y{4}|YY|Y|G{4}|GG|E|a|A|hh?|HH?|kk?|mm?"
    r"|ss?|S{1,9}|x|X|zz?|ZZ?|L|l|e|w|gg|N|y"
)
_YEAR_MONTH = re.compile(r"(\d{4})(?:[-/](\d{1,2}))?(?:[-/](\d{1,2}))?")


def moment_of(value: object) -> datetime | None:
    """Return the moment in UTC that a value tells: a text as ISO 8601 writes it, without a zone in UTC, or
    milliseconds since 1970. None where it tells none.

    >>> moment_of("2016-12-23T13:45:00.000Z"), moment_of("never")
    (datetime.datetime(2016, 12, 23, 13, 45, tzinfo=datetime.timezone.utc), None)
    """
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return EPOCH + timedelta(milliseconds=value)
        text = str(value).strip()
        if short := _YEAR_MONTH.fullmatch(text):
            return datetime(int(short[1]), int(short[2] or 1), int(short[3] or 1), tzinfo=UTC)
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def formatted(moment: datetime, pattern: str | None = None) -> str:
    """Return a moment in UTC in a pattern such as `YYYY-MM-DD`; `[...]` stands for itself. Raises ValueError for a
    token of moment.js that is not written here.

    >>> formatted(datetime(2016, 3, 5, 13, 45, tzinfo=UTC), "YYYY/DDDD/HH[h]")
    '2016/065/13h'
    """

    def written(token: re.Match[str]) -> str:
        if literal := _LITERAL.fullmatch(token[0]):
            return literal[1]
        if token[0].startswith("S"):
            return f"{moment.microsecond:06d}000"[: len(token[0])]
        if token[0] not in _WRITERS:
            raise ValueError(f"{token[0]} is not written here: expected tokens such as YYYY, MM, DD, HH, mm and ss")
        return _WRITERS[token[0]](moment)

    return _TOKEN.sub(written, pattern or _ISO)


def _ordinal(number: int) -> str:
    ending = "th" if 10 < number % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _day(moment: datetime) -> int:
    return moment.timetuple().tm_yday


def _weekday(moment: datetime) -> int:
    """Return the day of the week, 0 for Sunday."""
    return moment.isoweekday() % 7


def _week(moment: datetime) -> int:
    return moment.isocalendar().week


def _quarter(moment: datetime) -> int:
    return (moment.month + 2) // 3


def _of_twelve(moment: datetime) -> int:
    return moment.hour % 12 or 12


_WRITERS: dict[str, Callable[[datetime], str]] = {
    "YYYY": lambda m: f"{m.year:04d}",
    "YY": lambda m: f"{m.year % 100:02d}",
    "Y": lambda m: str(m.year),
    "GGGG": lambda m: f"{m.isocalendar().year:04d}",
    "GG": lambda m: f"{m.isocalendar().year % 100:02d}",
    "Q": lambda m: str(_quarter(m)),
    "Qo": lambda m: _ordinal(_quarter(m)),
    "M": lambda m: str(m.month),
    "Mo": lambda m: _ordinal(m.month),
    "MM": lambda m: f"{m.month:02d}",
    "MMM": lambda m: MONTHS[m.month - 1][:3],
    "MMMM": lambda m: MONTHS[m.month - 1],
    "D": lambda m: str(m.day),
    "Do": lambda m: _ordinal(m.day),
    "DD": lambda m: f"{m.day:02d}",
    "DDD": lambda m: str(_day(m)),
    "DDDo": lambda m: _ordinal(_day(m)),
    "DDDD": lambda m: f"{_day(m):03d}",
    "d": lambda m: str(_weekday(m)),
    "do": lambda m: _ordinal(_weekday(m)),
    "dd": lambda m: DAYS[_weekday(m)][:2],
    "ddd": lambda m: DAYS[_weekday(m)][:3],
    "dddd": lambda m: DAYS[_weekday(m)],
    "E": lambda m: str(m.isoweekday()),
    "W": lambda m: str(_week(m)),
    "Wo": lambda m: _ordinal(_week(m)),
    "WW": lambda m: f"{_week(m):02d}",
    "H": lambda m: str(m.hour),
    "HH": lambda m: f"{m.hour:02d}",
    "h": lambda m: str(_of_twelve(m)),
    "hh": lambda m: f"{_of_twelve(m):02d}",
    "k": lambda m: str(m.hour or 24),
    "kk": lambda m: f"{m.hour or 24:02d}",
    "Hmm": lambda m: f"{m.hour}{m.minute:02d}",
    "Hmmss": lambda m: f"{m.hour}{m.minute:02d}{m.second:02d}",
    "hmm": lambda m: f"{_of_twelve(m)}{m.minute:02d}",
    "hmmss": lambda m: f"{_of_twelve(m)}{m.minute:02d}{m.second:02d}",
    "a": lambda m: "am" if m.hour < 12 else "pm",
    "A": lambda m: "AM" if m.hour < 12 else "PM",
    "m": lambda m: str(m.minute),
    "mm": lambda m: f"{m.minute:02d}",
    "s": lambda m: str(m.second),
    "ss": lambda m: f"{m.second:02d}",
    "x": lambda m: str((m - EPOCH) // timedelta(milliseconds=1)),
    "X": lambda m: str((m - EPOCH) // timedelta(seconds=1)),
    "Z": lambda _: "+00:00",
    "ZZ": lambda _: "+0000",
    "z": lambda _: "UTC",
    "zz": lambda _: "Coordinated Universal Time",
}
