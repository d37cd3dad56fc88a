// SPDX-License-Identifier: Apache-2.0
// What Kibana's own library (@kbn/es-query, Apache-2.0, as published for npm) makes of KQL.
//
//   npm install --prefix /tmp/kql @cybernetex/kbn-es-query@1.0.2
//   .venv/bin/python -m tests.support.kibana_objects |
//     NODE_PATH=/tmp/kql/node_modules node tests/data/kql_dsl.js > tests/data/kql_dsl.json

const { fromKueryExpression, toElasticsearchQuery } = require("@cybernetex/kbn-es-query");
const queries = JSON.parse(require("fs").readFileSync(0, "utf8"));
const translated = {};
for (const query of queries) {
  translated[query] = toElasticsearchQuery(fromKueryExpression(query));
}
process.stdout.write(JSON.stringify(translated, null, 1) + "\n");
