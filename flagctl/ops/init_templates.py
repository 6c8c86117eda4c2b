"""Files of a new flag repository. Words in angle quotes («project») are filled in."""

from __future__ import annotations

from typing import Final

CONFIG: Final = """\
# yaml-language-server: $schema=schemas/config.schema.json
version: 1
project: «project»

environments:
  development: {}
  staging: {}
  production: {protected: true}     # publishing to it asks for --yes

# Where bundles are published. A folder on this machine is enough to try everything out; for real use, a bucket:
# remote: {url: s3://my-bucket/flags, region: eu-central-1, trust: trust.json}
remote: {url: «remote», trust: trust.json}

# What applications say about a user or request. Anything else in a flag is an error, so that typos are found in review.
context:
  additional: deny
  attributes:
    targeting_key: {type: string, description: Who counts in percentages and rollouts}
    email: {type: string, pii: true}
    country: {type: string}
    plan: {type: string, enum: [free, pro, enterprise]}
    app_version: {type: semver}
"""

NEW_CHECKOUT: Final = """\
# yaml-language-server: $schema=../schemas/flag.schema.json
kind: flag
key: new-checkout
description: The checkout on one page
owner: team-checkout
tags: [checkout]
type: boolean
lifecycle: {temporary: true, expires: «expires»}
enabled: true                       # false serves `off` to everybody: the kill switch in git
default: off
rules:
  - id: employees
    when: [{segment: employees}]
    serve: on
  - id: ramp
    when:
      - {attribute: country, operator: in, value: [DE, FR]}
    serve: on
    percentage: 25                  # of users; raising it only ever adds users
environments:
  development: {default: on}
"""

RATE_LIMIT: Final = """\
# yaml-language-server: $schema=../schemas/flag.schema.json
kind: flag
key: api-rate-limit
description: Requests a minute that one account may make
owner: team-platform
tags: [api]
type: number
value: 100
rules:
  - id: enterprise
    when: [{attribute: plan, operator: equals, value: enterprise}]
    value: 5000
"""

SEARCH_RANKING: Final = """\
# yaml-language-server: $schema=../schemas/flag.schema.json
kind: flag
key: search-ranking
description: How search results are ordered
owner: team-search
tags: [search]
type: string
variants: {classic: v1, hybrid: v2, neural: v3}
default: classic
rules:
  - id: new-apps
    when: [{attribute: app_version, operator: semver_greater_or_equal, value: 2.0.0}]
    rollout: {classic: 50, hybrid: 30, neural: 20}
"""

EMPLOYEES: Final = """\
# yaml-language-server: $schema=../schemas/segment.schema.json
kind: segment
key: employees
description: Us
owner: team-platform
when:
  - {attribute: email, operator: ends_with, value: "@example.com"}
"""

TESTS: Final = """\
# yaml-language-server: $schema=../schemas/test.schema.json
kind: test
flag: new-checkout
environment: production
cases:
  - name: employees see it, wherever they are
    context: {targeting_key: user-1, email: ada@example.com}
    matrix: {country: [DE, FR, US]}
    expect: {variant: on, reason: TARGETING_MATCH, rule: employees}
  - name: a quarter of DE and FR sees it
    context: {country: DE}
    contexts: [{targeting_key: «inside»}]
    expect: {variant: on, reason: SPLIT, rule: ramp}
  - name: the others do not
    context: {targeting_key: «outside»}
    matrix: {country: [DE, US]}
    expect: {variant: off, reason: DEFAULT}
  - name: everybody sees it in development
    environment: development
    context: {targeting_key: «outside»}
    expect: {value: true}

  - name: big accounts may do more
    flag: api-rate-limit
    environments: [staging, production]
    matrix: {plan: [enterprise]}
    expect: {value: 5000}
  - name: the others have the usual limit
    flag: api-rate-limit
    matrix: {plan: [free, pro, null]}
    expect: {value: 100}

  - name: old apps keep the old order
    flag: search-ranking
    context: {targeting_key: user-1}
    matrix: {app_version: [1.0.0, 1.9.9, null]}
    expect: {variant: classic, reason: DEFAULT}
"""

GITIGNORE: Final = """\
# flagctl: private keys and the remote on this machine
.flagctl/
*.key
"""

VSCODE_SETTINGS: Final = """\
{
  "yaml.schemas": {
    "./schemas/config.schema.json": ["flagctl.yaml"],
    "./schemas/flag.schema.json": ["flags/**/*.yaml", "!**/*.test.yaml"],
    "./schemas/segment.schema.json": ["segments/**/*.yaml"],
    "./schemas/experiment.schema.json": ["experiments/**/*.yaml"],
    "./schemas/layer.schema.json": ["layers/**/*.yaml"],
    "./schemas/test.schema.json": ["**/*.test.yaml"]
  },
  "yaml.yamlVersion": "1.2"
}
"""

VSCODE_EXTENSIONS: Final = """\
{
  "recommendations": ["redhat.vscode-yaml"]
}
"""
