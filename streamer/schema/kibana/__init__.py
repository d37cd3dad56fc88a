# SPDX-License-Identifier: Apache-2.0
"""Kibana's saved objects: data views, saved searches and dashboards over the topics' fields."""
