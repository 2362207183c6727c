#!/usr/bin/env python3
"""Asks a PostgreSQL 15 about time zones and writes its answers as fixtures of the tests.

    Tools/zones/record.py PSQL-ARGUMENTS…        (for example: -h /tmp -U postgres)

Tests/ModelTests/Fixtures/zones15.tsv: a line a zone, name, instants and local times.
  instant: second:seconds east:abbreviation, local time: second as if it were UTC:second of the instant it is read as.
Tests/PlanningTests/Fixtures/zoned15.tsv: session's zone, expression, answer as text (\\N is NULL) or !SQLSTATE message.
Seeded: the questions are the same every time.
"""
import os
import random
import subprocess
import sys

import generate

HERE = os.path.dirname(os.path.abspath(__file__))
rng = random.Random(15)


def ask(script):
    done = subprocess.run(
        ["psql", "-X", "-A", "-t", "-q", "-F", "\t", *sys.argv[1:]], input=script, capture_output=True, text=True, check=True
    )
    return done.stdout.split("\n")


def zones():
    names = []
    for root, directories, files in os.walk(generate.ZONEINFO):
        directories[:] = sorted(d for d in directories if d not in ("posix", "right"))
        for file in sorted(files):
            name = os.path.relpath(os.path.join(root, file), generate.ZONEINFO)
            if name not in ("posixrules", "localtime") and generate.read(os.path.join(root, file)):
                names.append(name)
    return names


def record_zones(target):
    questions = []
    script = ""
    for name in zones():
        transitions = [t for t, _ in generate.read(os.path.join(generate.ZONEINFO, name))[0] if t > -2500000000]
        instants = [rng.randrange(-3000000000, 4500000000), rng.randrange(0, 2000000000), rng.randrange(2000000000, 9000000000)]
        locals_ = [rng.randrange(-3000000000, 4500000000)]
        for _ in range(2):
            if transitions:
                at = rng.choice(transitions)
                instants += [at - 1, at]
                locals_.append(at + rng.randrange(-16, 17) * 1800)
        year = rng.randrange(2038, 2200)
        locals_.append(generate.days(year, rng.choice([3, 10, 11, 4, 9]), rng.randrange(1, 29)) * 86400 + rng.randrange(24) * 3600)
        questions.append((name, instants, locals_))
        script += f"set timezone = '{name}';\n"
        for at in instants:
            script += f"select extract(timezone from to_timestamp({at})), to_char(to_timestamp({at}), 'TZ');\n"
        for at in locals_:
            script += f"select extract(epoch from (timestamp '1970-01-01' + interval '{at} seconds')::timestamptz)::bigint;\n"
    answers = iter(ask(script))
    with open(target, "w") as out:
        for name, instants, locals_ in questions:
            told = [f"{at}:{':'.join(next(answers).split(chr(9)))}" for at in instants]
            read = [f"{at}:{next(answers)}" for at in locals_]
            out.write(f"{name}\t{' '.join(told)}\t{' '.join(read)}\n")


ZONES = [
    "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia", "America/St_Johns", "Europe/Dublin",
    "Africa/Casablanca", "Asia/Tehran", "America/Sao_Paulo", "EST5EDT", "<+0530>-5:30", "CET-1CEST,M3.5.0,M10.5.0/3", "UTC",
]
ABBREVIATIONS = ["EST", "EDT", "CEST", "cet", "MSK", "PST8PDT", "IST", "Europe/Moscow", "america/new_york", "VET", "+02", "-05:30", "UTC-3", "KST", "NOVT"]
TEMPLATES = [
    "timestamptz '{i}'", "'{l}'::timestamptz", "timestamp '{l}'::timestamptz", "date '{d}'::timestamptz", "timestamptz '{i}'::timestamp",
    "timestamptz '{i}'::date", "timestamptz '{i}'::time", "timestamptz '{i}'::text", "('{l}'::text)::timestamptz",
    "timestamptz '{i}' + interval '1 day'", "timestamptz '{i}' + interval '1 month 3 days 2 hours'", "timestamptz '{i}' - interval '1 year'",
    "timestamptz '{i}' + interval '36 hours'", "timestamptz '{i}' - interval '1 day 1 hour'", "date_trunc('day', timestamptz '{i}')",
    "date_trunc('hour', timestamptz '{i}')", "date_trunc('week', timestamptz '{i}')", "date_trunc('year', timestamptz '{i}')",
    "date_trunc('day', timestamptz '{i}', 'America/New_York')", "date_trunc('hour', timestamptz '{i}', 'EDT')",
    "date_trunc('month', timestamptz '{i}', 'MSK')", "extract(hour from timestamptz '{i}')", "extract(epoch from timestamptz '{i}')",
    "extract(timezone from timestamptz '{i}')", "extract(timezone_hour from timestamptz '{i}')",
    "extract(timezone_minute from timestamptz '{i}')", "extract(doy from timestamptz '{i}')", "extract(week from timestamptz '{i}')",
    "date_part('day', timestamptz '{i}')",
    "to_char(timestamptz '{i}', 'YYYY-MM-DD HH24:MI:SS TZ tz OF TZH:TZM')", "to_timestamp('{l}', 'YYYY-MM-DD HH24:MI:SS')",
    "to_timestamp('{l}+03', 'YYYY-MM-DD HH24:MI:SSTZH')", "age(timestamptz '{i}', timestamptz '{j}')",
    "timestamptz '{i}' = timestamp '{l}'", "timestamptz '{i}' < date '{d}'", "timestamptz '{i}' - timestamptz '{j}'",
    "timestamptz '{i}' - timestamp '{l}'", "make_timestamptz({y}, {m}, 28, 2, 30, 15.5)", "make_timestamptz({y}, {m}, 28, 2, 30, 0, 'Europe/Berlin')",
    "array[timestamptz '{i}']::text", "'{{\"{l}\",null}}'::timestamptz[]", "to_json(timestamptz '{i}')", "to_jsonb(timestamptz '{i}')",
    "concat('a', timestamptz '{i}')", "'x' || timestamptz '{i}'", "format('%s', timestamptz '{i}')",
    "array_to_string(array[timestamptz '{i}', null], ', ', '-')", "timestamptz '{i}' at time zone '{z}'", "timestamp '{l}' at time zone '{z}'",
    "'{l} {z}'::timestamptz", "timestamptz '{i}' at time zone interval '-3 hours'",
    "(timestamptz '{i}', interval '1 day') overlaps (timestamptz '{i}' + interval '23 hours 30 minutes', interval '1 hour')",
    "jsonb_build_object('t', timestamptz '{i}')", "greatest(timestamptz '{i}', date '{d}')", "timestamp '{l} {z}'",
    "date_bin('1 day', timestamptz '{i}', timestamptz '2000-01-01')", "coalesce(null, timestamptz '{i}', timestamp '{l}')",
    "timestamptz '{i}' at time zone 'nowhere'", "'{l} Nowhere/Else'::timestamptz", "timestamptz 'infinity'::date",
    "extract(timezone from timestamptz 'infinity')", "to_char(timestamptz '{i}', 'Day DD Mon IYYY-IW HH12 am')",
]


def stamp(second):
    import datetime

    return (datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=second)).strftime("%Y-%m-%d %H:%M:%S")


def record_expressions(target):
    questions = []
    for template in TEMPLATES:
        for zone in ZONES:
            for _ in range(2):
                path = os.path.join(generate.ZONEINFO, zone)
                found = generate.read(path) if os.path.isfile(path) else generate.read(os.path.join(generate.ZONEINFO, "Europe/Paris"))
                near = [t for t, _ in found[0] if t > -1500000000] or [1000000000]
                at = rng.choice(near) + rng.randrange(-6, 7) * 1800 if rng.random() < 0.7 else rng.randrange(-2000000000, 5000000000)
                values = {
                    "i": stamp(at) + "+00", "l": stamp(at + rng.randrange(-14, 15) * 1800), "d": stamp(at)[:10],
                    "j": stamp(at - rng.randrange(10000000)) + "+00", "y": 1900 + rng.randrange(150), "m": 1 + rng.randrange(12),
                    "z": rng.choice(ABBREVIATIONS),
                }
                questions.append((zone, template.format(**values)))
    script = """create function pg_temp.try(e text) returns text language plpgsql as $f$
      declare r text; begin execute 'select (' || e || ')::text' into r; return coalesce(r, chr(92) || 'N');
      exception when others then return '!' || sqlstate || ' ' || sqlerrm; end $f$;\n"""
    last = None
    for zone, expression in questions:
        if zone != last:
            script += f"set timezone = '{zone}';\n"
            last = zone
        script += f"select pg_temp.try($tally${expression}$tally$);\n"
    answers = ask(script)
    with open(target, "w") as out:
        for (zone, expression), answer in zip(questions, answers):
            out.write(f"{zone}\t{expression}\t{answer}\n")


record_zones(os.path.join(HERE, "../../Tests/ModelTests/Fixtures/zones15.tsv"))
record_expressions(os.path.join(HERE, "../../Tests/PlanningTests/Fixtures/zoned15.tsv"))
