#!/usr/bin/env python3
"""Writes Sources/Model/TimeZones/ZoneData*.swift from the IANA data of this machine.

    Tools/zones/generate.py [ZONEINFO [ABBREVIATIONS]]

ZONEINFO is a directory of compiled zones (TZif; /usr/share/zoneinfo), ABBREVIATIONS a list in the form of PostgreSQL's timezonesets
(`EST -18000`, `CEST 7200 D`, `MSK Europe/Moscow`). The format of what is written stands at the head of ZoneTable.swift. Transitions that
the rule at a zone's end (POSIX TZ) tells anyway are left out.
"""
import os
import struct
import sys

ARGUMENTS = sys.argv[1:] if __name__ == "__main__" else []
ZONEINFO = ARGUMENTS[0] if ARGUMENTS else "/usr/share/zoneinfo"
ABBREVIATIONS = ARGUMENTS[1] if len(ARGUMENTS) > 1 else "/usr/share/postgresql/15/timezonesets/Default"
TARGET = os.path.join(os.path.dirname(__file__), "../../Sources/Model/TimeZones")
WIDTH = 134
LINES = 470


def read(path):
    """Initial type, transitions [(second, type)], types [(seconds east, is daylight, abbreviation)], rule."""
    data = open(path, "rb").read()
    if data[:4] != b"TZif":
        return None

    def header(at):
        return struct.unpack(">6l", data[at + 20 : at + 44])

    isutc, isstd, leap, times, types, chars = header(0)
    second = 44 + times * 5 + types * 6 + chars + leap * 8 + isstd + isutc
    isutc, isstd, leap, times, types, chars = header(second)
    if leap:
        return None
    at = second + 44
    stamps = struct.unpack(f">{times}q", data[at : at + 8 * times])
    at += 8 * times
    kinds = data[at : at + times]
    at += times
    infos = [struct.unpack(">lBB", data[at + 6 * i : at + 6 * i + 6]) for i in range(types)]
    at += 6 * types
    names = data[at : at + chars]
    at += chars + leap * 12 + isstd + isutc
    rule = data[at:].split(b"\n")[1].decode()
    table = [(east, dst, names[i : names.index(b"\0", i)].decode()) for east, dst, i in infos]
    return [(s, k) for s, k in zip(stamps, kinds) if s > -(1 << 40)], table, rule


def days(year, month, day):
    year -= month <= 2
    era = year // 400
    yoe = year - era * 400
    doy = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146097 + yoe * 365 + yoe // 4 - yoe // 100 + doy - 719468


def offset(text):
    sign = -1 if text.startswith("-") else 1
    parts = [int(p) for p in text.lstrip("+-").split(":")] + [0, 0]
    return sign * (parts[0] * 3600 + parts[1] * 60 + parts[2])


def posix(rule):
    """((abbreviation, east), (abbreviation, east), start, end) of a rule with daylight time, or None."""
    import re

    match = re.fullmatch(r"(<[^>]+>|[A-Za-z]+)([-+\d:]+)(<[^>]+>|[A-Za-z]+)([-+\d:]*),([^,]+),([^,]+)", rule)
    if not match:
        return None
    std, west, dst, other, start, end = match.groups()
    east = -offset(west)
    return (std.strip("<>"), east), (dst.strip("<>"), -offset(other) if other else east + 3600), start, end


def moment(rule, year):
    date, _, time = rule.partition("/")
    seconds = offset(time) if time else 7200
    if date[0] == "M":
        month, week, weekday = [int(p) for p in date[1:].split(".")]
        first = days(year, month, 1)
        day = first + (weekday - (first + 4) % 7) % 7 + 7 * (week - 1)
        following = days(year + (month == 12), month % 12 + 1, 1)
        while day >= following:
            day -= 7
    elif date[0] == "J":
        number = int(date[1:])
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        day = days(year, 1, 1) + number - 1 + (leap and number > 59)
    else:
        day = days(year, 1, 1) + int(date)
    return day * 86400 + seconds


def told(rule):
    known = posix(rule)
    if not known:
        return set()
    std, dst, start, end = known
    result = set()
    for year in range(1950, 2100):
        result.add((moment(start, year) - std[1], dst[1], 1, dst[0]))
        result.add((moment(end, year) - dst[1], std[1], 0, std[0]))
    return result


def base36(number):
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    text = ""
    while True:
        text = digits[number % 36] + text
        number //= 36
        if number == 0:
            return text


def encoded(transitions, types, rule):
    # The rule tells the last ones, without a gap, but the first of those is kept to say from when on.
    by_rule = sorted(r for r in told(rule) if not transitions or r[0] <= transitions[-1][0])
    kept = len(transitions)
    while kept > 0 and by_rule and (transitions[kept - 1][0],) + types[transitions[kept - 1][1]] == by_rule[-1]:
        kept -= 1
        by_rule.pop()
    transitions = transitions[: min(len(transitions), kept + 1)]
    used = [0] + sorted({kind for _, kind in transitions} - {0})
    number = {kind: at for at, kind in enumerate(used)}
    assert len(used) <= 26
    shown = ",".join(f"{types[k][2]}:{types[k][0]}{'!' if types[k][1] else ''}" for k in used)
    text = ""
    last = 0
    for second, kind in transitions:
        step = second - last
        last = second
        sign = "-" if step < 0 else ""
        step = abs(step)
        text += chr(65 + number[kind]) + sign + (base36(step // 1800) if step % 1800 == 0 else "'" + base36(step))
    return f">{shown}>{text}>{rule};"


def main():
    zones = {}
    for root, directories, files in os.walk(ZONEINFO):
        directories[:] = sorted(d for d in directories if d not in ("posix", "right"))
        for file in sorted(files):
            name = os.path.relpath(os.path.join(root, file), ZONEINFO)
            if name in ("posixrules", "localtime"):
                continue
            found = read(os.path.join(root, file))
            if found:
                zones.setdefault(encoded(*found), []).append(name)
    text = "".join("=".join(names) + content for content, names in sorted(zones.items(), key=lambda z: z[1][0]))
    assert text.isascii() and "\\" not in text and '"' not in text

    abbreviations = ""
    for line in open(ABBREVIATIONS):
        words = line.split("#")[0].split()
        if not words or words[0].startswith("@"):
            continue
        if words[1].lstrip("-").isdigit():
            abbreviations += f"{words[0]}:{words[1]}{'!' if words[2:] == ['D'] else ''};"
        else:
            abbreviations += f"{words[0]}@{words[1]};"

    version = open(os.path.join(ZONEINFO, "tzdata.zi")).readline().split()[-1]
    os.makedirs(TARGET, exist_ok=True)
    lines = [text[at : at + WIDTH] for at in range(0, len(text), WIDTH)]
    parts = [lines[at : at + LINES] for at in range(0, len(lines), LINES)]
    for number, part in enumerate(parts, 1):
        write(f"ZoneData{number}", f"part {number} of {len(parts)} of the zones of", version, f"zones{number}", part)
    short = [abbreviations[at : at + WIDTH] for at in range(0, len(abbreviations), WIDTH)]
    write("ZoneAbbreviations", "PostgreSQL's default abbreviations, to go with", version, "abbreviations", short)
    print(f"{sum(map(len, zones.values()))} names, {len(zones)} zones, {len(text)} bytes, {len(parts)} files")


def write(file, what, version, name, lines):
    with open(os.path.join(TARGET, file + ".swift"), "w") as out:
        out.write(f"// {file}.swift — {what} IANA's data of version {version}.\n")
        out.write("//\n// Made by Tools/zones/generate.py, not by hand; ZoneTable.swift describes the format.\n\n")
        out.write(f'extension ZoneTable {{\n  static let {name} = """\n')
        for line in lines:
            out.write(f"    {line}\n")
        out.write('    """\n}\n')


if __name__ == "__main__":
    main()
