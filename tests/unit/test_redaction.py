"""Secrets are in no case; with `--redact` neither is what belongs to people, and the case still replays."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
import pytest
from pydantic import BaseModel

from agent import Agent, CallModel, Found, ModelAnswer, Search
from agent.agents import documents
from agent.cases import Case, dumped, loads
from agent.cases.case import closed
from agent.cases.pseudonyms import Pseudonyms, pseudonym
from agent.cases.redaction import Redaction
from agent.cases.sensitive import PERSONAL, SECRETS, own
from agent.errors import Permanent
from agent.items import FunctionCall
from agent.request import Message, Request
from agent.testing import Script
from agent.testing.rehearsal import rehearse
from agent.testing.replaying import replay
from agent.tools import tool
from tests.runs import PAGE, RIGHT, WRONG, case_of, says

SALT = b"salt"
ANNA, PHONE, ORDER = "Anna.Kl+x@lampen-werk.example", "+49 (0)30 901 820-1", "ORD-77-KX"
QUOTE = f"Write to {ANNA} or call {PHONE} about {ORDER}."
PERSONAL_PAGE = PAGE.model_copy(update={"text": f"The lamp has a warranty of two years. {QUOTE}"})
PERSONAL_REPLY = {
    "answer": f"Write to {ANNA} or call {PHONE}.",
    "citations": [{"passage_id": "p1", "quote": QUOTE}],
    "no_answer": False,
}
PLANTED = {
    "sk": "sk-proj-Zm9vYmFyMTIzNDU2Nzg5",
    "own": "cue-9fK2mQ7xR4tV8wY1zB3nD6hJ",
    "bearer": "mF_9.B5f-4.1JqM88",
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmN",
    "url": "s3cretPa55",
    "field": "hunter2hunter2",
    "metadata": "7tWz-pQ3",
    "known": "correct horse battery staple",
    "quoted": "kite 99 grove",
}


def everywhere(case: Case) -> str:
    return f"{dumped(case).decode()} {orjson.loads(dumped(case))!r}"


REDACT = Redaction(SALT, [*PERSONAL, *own([r"ORD-\d+-[A-Z]+"])])


async def test_pseudonyms_stand_wherever_the_names_stood_and_the_case_replays() -> None:
    case = await case_of(WRONG, PERSONAL_REPLY, page=PERSONAL_PAGE, question=f"I am {ANNA}, how do I reach you?")
    other = loads(dumped(REDACT(case)))
    for name in (ANNA, PHONE, ORDER, "901 820", "lampen-werk"):
        assert name in everywhere(case) and name not in everywhere(other)
    assert other.written.redacted == {"email": 1, "phone": 1, "pattern": 1}
    assert other.ending.type == "answer.accepted"
    done = await replay(other, documents)
    assert done.as_recorded, (done.missing, done.difference)


async def test_hashes_that_did_not_change_stay_and_the_others_fit_their_questions() -> None:
    case = await case_of(PERSONAL_REPLY, page=PERSONAL_PAGE)
    search, call = (it.hash for it in REDACT(case).asked())
    assert (search == case.asked()[0].hash, call == case.asked()[1].hash) == (True, False)


async def test_what_an_agent_says_to_everybody_stays() -> None:
    agent = Agent(name="help", prompt="answer", no_answer_text=f"Ask {ANNA}.")
    assert agent.no_answer_text
    case = await case_of(RIGHT, question=f"I am {ANNA}, my number is {PHONE}")
    kept = Redaction(SALT, PERSONAL, kept=(agent.no_answer_text,))(case)
    assert ANNA in everywhere(kept) and PHONE not in everywhere(kept)


async def test_two_exports_do_not_tell_that_they_name_the_same_person() -> None:
    case = await case_of(RIGHT, question=f"I am {ANNA}")
    texts = {str(Redaction(salt, PERSONAL)(case).request) for salt in (b"one", b"two")}
    assert len(texts) == 2


class Key(BaseModel):
    api_key: str


@tool()
async def look_up(key: Key) -> str:
    """Look something up."""
    return f"Authorization: Bearer {PLANTED['bearer']}"


async def test_planted_secrets_are_in_no_export() -> None:
    """In the request, its headers' likes, a document, a tool's arguments and result, an answer and an error."""

    words = f"keys {PLANTED['sk']} and {PLANTED['own']} and {PLANTED['aws']}; postgres://me:{PLANTED['url']}@db/x"
    fields = f"password: {PLANTED['field']}; it says {orjson.dumps({'password': PLANTED['quoted']}).decode()}"
    page = PAGE.model_copy(update={"text": f"{PAGE.text} {words} {PLANTED['jwt']} {fields}"})
    call = FunctionCall(call_id="c1", name="look_up", arguments=orjson.dumps({"api_key": PLANTED["field"]}).decode())
    agent = Agent(name="keeper", prompt="chat", tools=(look_up,))
    error = Permanent(f"401 for Bearer {PLANTED['bearer']} at {PLANTED['known']}", kind="unauthorized")
    told: list[ModelAnswer | Exception] = [ModelAnswer(text="", model="m", endpoint="e", calls=(call,)), error]
    script = Script({CallModel: told, Search: lambda effect: Found(passages=(page,), index_version=1)})
    chain = rehearse(agent, script)
    request = Request(
        messages=(Message(role="user", content=words),),
        instructions=f"Use {PLANTED['jwt']} and {PLANTED['known']}.",
        metadata={"shop_token": PLANTED["metadata"], "note": PLANTED["sk"]},
    )
    case = chain.case(await chain.run(request))
    cases = [case, await case_of(says(f"Sure: {words}"), RIGHT, page=page)]
    for it in cases:
        assert sum(secret in everywhere(it) for secret in PLANTED.values()) >= 5
        exported = Redaction(SALT, secrets=(PLANTED["known"],))(it)
        assert [name for name, secret in PLANTED.items() if secret in everywhere(exported)] == []
    done = await replay(Redaction(SALT, secrets=(PLANTED["known"],))(case), agent)
    assert done.as_recorded, "\n".join(done.missing.unlike if done.missing else [str(done.difference)])


NUMBER = 77_120_441
FIELDS = {
    "password": "correct horse battery",
    "clientSecret": "velvetharbour",
    "set-cookie": "sid=8fj2Kd01mPq7",
    "private_key": "plumoxbowlantern",
}


async def test_what_stands_in_a_field_of_a_secret_is_one_whatever_it_looks_like() -> None:
    """In metadata, in a tool's arguments, and in JSON that a document quotes; and wherever else it stands then."""
    page = PAGE.model_copy(update={"text": f"{PAGE.text} Opened with {' and '.join(FIELDS.values())}."})
    case = await case_of(RIGHT, page=page, question=orjson.dumps({"open": [FIELDS]}).decode())
    exported = Redaction(SALT)(case)
    assert [it for it in FIELDS.values() if it in everywhere(exported)] == []
    assert (await replay(exported, documents)).as_recorded


async def test_a_secret_that_is_a_number_is_another_number_as_value_and_in_a_text() -> None:
    case = await case_of(RIGHT, question=f'{{"password":{NUMBER}}}, or {NUMBER}; it is the month {NUMBER // 100}')
    told = orjson.loads(dumped(case))
    told["attempts"][0]["asked"][0]["answer"]["door"] = {"token": NUMBER, "at": NUMBER / 100, "open": True}
    for number in range(40):
        exported = Redaction(b"salt %d" % number)(loads(orjson.dumps(told)))
        answer = next(it.answer for it in exported.asked() if it.type == "search")
        assert isinstance(answer, dict) and str(NUMBER) not in everywhere(exported)
        door = answer["door"]
        assert len(str(door["token"])) == len(str(NUMBER)) and door["at"] == NUMBER / 100 and door["open"] is True
        assert f'{{"password":{door["token"]}}}' in closed(exported.request).replace("\\", "")


async def test_json_as_deep_as_it_can_be_is_looked_through_like_any_other() -> None:
    deep = '{"password": ' + "[" * 1000 + f'"{FIELDS["password"]}"' + "]" * 1000 + "}"
    assert FIELDS["password"] not in everywhere(Redaction(SALT)(await case_of(RIGHT, question=deep)))


async def test_a_word_that_a_field_of_a_secret_shares_with_a_schema_or_with_another_field_is_none() -> None:
    question = orjson.dumps({"token": "answer", "password": "string", "secret": "citations"}).decode()
    case = await case_of(RIGHT, question=question)
    assert Redaction(SALT)(case) is case


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("see https://shop.example/x?user=7&token=abcdefghij#top", "abcdefghij"),
        ("https://store.example/a?X-Amz-Signature=fe5f80f77d5fa3beca", "fe5f80f77d5fa3beca"),
        ("Set-Cookie: sid=8fj2Kd01mPq7; Path=/", "8fj2Kd01mPq7"),
        ("cookie: theme=dark; sid=8fj2Kd01mPq7", "8fj2Kd01mPq7"),
    ],
)
def test_secrets_are_found_in_addresses_and_cookies(text: str, secret: str) -> None:
    assert secret in [value for rule in SECRETS for value in rule.find(text)]


async def test_a_pattern_of_ones_own_replaces_all_that_it_finds_short_names_and_groups_too() -> None:
    case = await case_of(RIGHT, question="I am Bob, a friend of Ada and of Ada Lovelace")
    other = Redaction(SALT, own([r"Bob", r"Ada( Lovelace)?"]))(case)
    for name in ("Bob", "Ada", "Lovelace"):
        assert name in everywhere(case) and name not in everywhere(other)


async def test_a_secret_in_a_prompts_files_makes_it_another_version_and_the_case_replays() -> None:
    case = await case_of(RIGHT)
    files = dict(next(iter(case.sources.values())))
    planted = files["system.j2"].splitlines()[0].split()[5]
    done = await replay(Redaction(SALT, secrets=(files["system.j2"][:40],))(case), documents)
    assert done.as_recorded and planted
    assert set(done.then.sources).isdisjoint(case.sources)


async def test_a_prompt_keeps_its_name_where_a_pattern_finds_it_and_the_case_replays() -> None:
    agent = Agent(name="help", prompt="chat")
    case = await case_of("At nine.", question="Is chat-all open, or the chat?", agent=agent)
    other = loads(dumped(Redaction(SALT, own([r"chat(?:-all)?"]))(case)))
    assert set(other.prompts) == {"chat"} and "chat" not in str(other.request)
    done = await replay(other, agent)
    assert done.as_recorded, (done.missing, done.difference)


def test_a_pseudonym_has_the_shape_of_what_it_stands_for() -> None:
    made = pseudonym(ANNA, SALT)
    assert len(made) == len(ANNA) and made != ANNA
    assert [it.isalpha() for it in made] == [it.isalpha() for it in ANNA]
    assert [it.isupper() for it in made] == [it.isupper() for it in ANNA]
    assert pseudonym(ANNA.lower(), SALT) == made.lower()


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        (r'{"answer": "Write to \nanna@x.example"}', "anna@x.example"),
        (r'{"a": "caf\u00e9 7"}', "café 7"),
        ("the answer was: anna@x.ex…", "anna@x.ex"),
    ],
)
def test_names_are_found_in_json_that_stands_in_a_text_and_where_a_message_was_cut(text: str, gone: str) -> None:
    other = Pseudonyms(["anna@x.example", "café 7"], SALT)(text)
    assert gone not in other and r"caf\u00e9" not in other
    if text.startswith("{"):
        assert len(orjson.loads(other)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-26T01:28:27Z and 2026-11-26, 01/02/2026",
        "version 1.0.0+89e0de9f of answer@1.0.0+89e0de9f",
        "resp_00000000000000000000000000000001",
        "max_output_tokens: 1024, token limit reached, secret: none",
        "12,345.67 EUR for 3 lamps of 15.30 each",
        "your password: required",
    ],
)
def test_what_is_nobodys_is_left_alone(text: str) -> None:
    assert [value for rule in (*SECRETS, *PERSONAL) for value in rule.find(text)] == []


@pytest.mark.parametrize(
    "text", ["+49 30 901820", "030 / 901 820", "(555) 123-4567", "0049 30 901820", "+1-555-123-4567"]
)
def test_phone_numbers_are_found_as_people_write_them(text: str) -> None:
    assert [value for rule in PERSONAL for value in rule.find(f"Call {text}, please.")] == [text]


@pytest.mark.parametrize(
    "text",
    [
        *("a" * 200_000, "a@" * 100_000, "+1 " * 60_000, "eyJ" + "a." * 90_000, "bearer " * 30_000),
        *("?a-" * 60_000, "?" + "-" * 200_000, "cookie: " + "a=b; " * 40_000, "cookie: " * 20_000),
    ],
)
def test_hostile_texts_are_looked_through_in_no_time(text: str) -> None:
    found: Sequence[str] = [value for rule in (*SECRETS, *PERSONAL) for value in rule.find(text)]
    assert len(found) < 50_000
