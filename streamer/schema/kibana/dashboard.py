# SPDX-License-Identifier: Apache-2.0
"""A dashboard: rows of panels, controls above them, as one saved object."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from streamer.schema.kibana import data_views
from streamer.schema.kibana.saved_object import kuery, packed, reference, saved_object
from streamer.schema.packets import PACKETS

if TYPE_CHECKING:
    from streamer.schema.field import Topic
    from streamer.schema.kibana.panels import Panel

Json = dict[str, Any]

WIDTH = 48  # columns of Kibana's grid
PANEL_VERSION = "8.9.0"
OPTIONS = {
    "useMargins": True,
    "syncColors": False,
    "syncCursor": True,
    "syncTooltips": False,
    "hidePanelTitles": False,
}
NOT_IGNORED = {
    "ignoreFilters": False,
    "ignoreQuery": False,
    "ignoreTimerange": False,
    "ignoreValidations": False,
}


@dataclass(frozen=True, slots=True)
class Control:
    """A drop-down list of a field's values, which narrows every panel."""

    label: str
    field: str
    single: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Panels side by side."""

    height: int
    panels: tuple[Panel, ...]
    widths: tuple[int, ...] = ()
    """Columns of each panel; empty: all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """Rows from top to bottom."""

    name: str
    title: str
    description: str
    rows: tuple[Row, ...]
    topic: Topic = PACKETS
    controls: tuple[Control, ...] = ()

    @property
    def id(self) -> str:
        return f"streamer-{self.name}"

    def saved_object(self) -> Json:
        """The whole dashboard, panels included."""
        panels, references = self._panels()
        attributes: Json = {
            "title": self.title,
            "description": self.description,
            "kibanaSavedObjectMeta": {
                "searchSourceJSON": packed({"query": kuery(""), "filter": []})
            },
            "timeRestore": True,
            "timeFrom": "now-1h",
            "timeTo": "now",
            "refreshInterval": {"pause": True, "value": 30_000},
            "optionsJSON": packed(OPTIONS),
            "panelsJSON": packed(panels),
        }
        if self.controls:
            controls, links = self._controls()
            references += links
            attributes["controlGroupInput"] = {
                "controlStyle": "oneLine",
                "chainingSystem": "HIERARCHICAL",
                "ignoreParentSettingsJSON": packed(NOT_IGNORED),
                "panelsJSON": packed(controls),
            }
        return saved_object("dashboard", self.id, attributes, references)

    def _panels(self) -> tuple[list[Json], list[Json]]:
        numbers = count(1)
        panels: list[Json] = []
        references: list[Json] = []
        top = 0
        for row in self.rows:
            left = 0
            widths = row.widths or (WIDTH // len(row.panels),) * len(row.panels)
            for panel, width in zip(row.panels, widths, strict=True):
                index = str(next(numbers))
                place = {"x": left, "y": top, "w": width, "h": row.height, "i": index}
                placed, links = _place(panel, index, place)
                panels.append(placed)
                references += links
                left += width
            top += row.height
        return panels, references

    def _controls(self) -> tuple[dict[str, Json], list[Json]]:
        controls: dict[str, Json] = {}
        references = []
        for order, control in enumerate(self.controls):
            key = f"control-{order}"
            controls[key] = {
                "type": "optionsListControl",
                "order": order,
                "width": "medium",
                "grow": True,
                "explicitInput": {
                    "id": key,
                    "fieldName": control.field,
                    "title": control.label,
                    "singleSelect": control.single,
                    "selectedOptions": [],
                    "enhancements": {},
                },
            }
            name = f"controlGroup_{key}:optionsListDataView"
            target = data_views.identity(self.topic)
            references.append(reference(name, "index-pattern", target))
        return controls, references


def _place(panel: Panel, index: str, place: Json) -> tuple[Json, list[Json]]:
    """The panel at its place; its references are told from other panels' by its index."""
    embedded = panel.embed()
    placed: Json = {
        "version": PANEL_VERSION,
        "type": embedded.kind,
        "gridData": place,
        "panelIndex": index,
        "embeddableConfig": {**embedded.config, "enhancements": {}},
    }
    if panel.title:
        placed["title"] = panel.title
    else:
        placed["embeddableConfig"]["hidePanelTitles"] = True
    if panel.description:
        placed["embeddableConfig"]["description"] = panel.description
    links = embedded.references
    if embedded.kind == "search":
        placed["panelRefName"] = f"panel_{index}"
        links = [link | {"name": placed["panelRefName"]} for link in links]
    return placed, [link | {"name": f"{index}:{link['name']}"} for link in links]
