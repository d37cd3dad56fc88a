# SPDX-License-Identifier: Apache-2.0
"""docs/searches.md: the questions and their searches, for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from streamer.schema.kibana.search import RANGE
from streamer.schema.kibana.searches import QUESTIONS

if TYPE_CHECKING:
    from streamer.schema.kibana.search import Question

HEAD = f"""\
<!-- Generated from streamer/schema/kibana by `python -m streamer.schema`. -->
# Ten searches

Each answers a question in Kibana's query language (KQL), as a saved search of the same name
([how to import them](kibana.md)), and as a request to Elasticsearch, to be sent with

```console
$ curl -H 'Content-Type: application/json' 'http://localhost:9200/INDEX/_search' -d @request.json
```

The requests look back one hour (`{RANGE}`); Kibana has its time picker. Kibana itself writes
`match` for `term` and wraps each condition once more, which asks the same. The addresses are those
of `streamer demo`: put in your own. The answers shown are shortened, from the demo's traffic and
some trouble added to it.
"""


def render() -> str:
    """The whole document."""
    return HEAD + "".join(
        _section(number, question) for number, question in enumerate(QUESTIONS, start=1)
    )


def _section(number: int, question: Question) -> str:
    search = question.search
    body = json.dumps(question.body(), indent=2, ensure_ascii=False)
    return f"""
## {number}. {question.ask}

In Kibana: **{search.title}**, on `{search.topic.index_pattern}`. Columns:
{", ".join(f"`{column}`" for column in search.columns)}.

```
{search.kql}
```

{question.answer}

{_table(question.example)}
<details><summary>The request</summary>

```json
{body}
```

</details>
"""


def _table(text: str) -> str:
    head, *rows = text.splitlines()
    rule = " | ".join("---" for _ in head.split(" | "))
    return "".join(f"| {line} |\n" for line in (head, rule, *rows))
