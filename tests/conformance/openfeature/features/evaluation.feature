Feature: A provider resolves flags of every type

  Background:
    Given a stable provider

  Scenario Outline: A flag without rules answers with its variant
    Given a <type>-flag with key "<key>" and a default value "<default>"
    When the flag was evaluated with details
    Then the resolved details value should be "<value>"
    And the flag key should be "<key>"
    And the variant should be "<variant>"
    And the reason should be "STATIC"
    And the error-code should be ""
    And the error message should be empty

    Examples:
      | key                 | type    | default | value                                                                          | variant   |
      | boolean-flag        | Boolean | false   | true                                                                           | on        |
      | string-flag         | String  | bye     | hi                                                                             | greeting  |
      | integer-flag        | Integer | 1       | 10                                                                             | ten       |
      | float-flag          | Float   | 0.1     | 0.5                                                                            | half      |
      | object-flag         | Object  | {}      | {"showImages": true, "title": "Check out these pics!", "imagesPerPage": 100}   | template  |
      | list-flag           | Object  | []      | [1, "two", {"three": 3}]                                                       | default   |
      | large-integer-flag  | Integer | 1       | 2147483647                                                                     | max-int32 |
      | huge-integer-flag   | Integer | 1       | 9007199254740991                                                               | max-safe  |

  Scenario Outline: False, zero and nothing are values
    Given a <type>-flag with key "<key>" and a default value "<default>"
    When the flag was evaluated with details
    Then the resolved details value should be "<value>"
    And the variant should be "zero"
    And the reason should be "STATIC"
    And the error-code should be ""

    Examples:
      | key               | type    | default  | value |
      | boolean-zero-flag | Boolean | true     | false |
      | string-zero-flag  | String  | fallback |       |
      | integer-zero-flag | Integer | 1        | 0     |
      | float-zero-flag   | Float   | 0.1      | 0.0   |
      | object-zero-flag  | Object  | {"a": 1} | {}    |

  Scenario Outline: A rule that matches serves a zero
    Given a <type>-flag with key "<key>" and a default value "<default>"
    And a context containing a key "email", with type "String" and with value "ballmer@macrosoft.com"
    When the flag was evaluated with details
    Then the resolved details value should be "<value>"
    And the reason should be "TARGETING_MATCH"

    Examples:
      | key                        | type    | default  | value |
      | boolean-targeted-zero-flag | Boolean | true     | false |
      | string-targeted-zero-flag  | String  | hi       |       |
      | integer-targeted-zero-flag | Integer | 1        | 0     |
      | float-targeted-zero-flag   | Float   | 0.1      | 0.0   |
      | object-targeted-zero-flag  | Object  | {"a": 1} | {}    |

  Scenario Outline: A rule that does not match leaves the default, which is a zero, too
    Given a <type>-flag with key "<key>" and a default value "<default>"
    And a context containing a key "email", with type "String" and with value "ballmer@none.com"
    When the flag was evaluated with details
    Then the resolved details value should be "<value>"
    And the reason should be "DEFAULT"

    Examples:
      | key                        | type    | default  | value |
      | boolean-targeted-zero-flag | Boolean | true     | false |
      | string-targeted-zero-flag  | String  | hi       |       |
      | integer-targeted-zero-flag | Integer | 1        | 0     |
      | float-targeted-zero-flag   | Float   | 0.1      | 0.0   |
      | object-targeted-zero-flag  | Object  | {"a": 1} | {}    |

  Scenario Outline: An empty context, and one whose value is null, leave the default
    Given a <type>-flag with key "<key>" and a default value "<default>"
    And <context>
    When the flag was evaluated with details
    Then the resolved details value should be "<value>"
    And the reason should be "DEFAULT"

    Examples:
      | key                        | type    | default  | value | context                                         |
      | boolean-targeted-zero-flag | Boolean | true     | false | an empty context                                |
      | boolean-targeted-zero-flag | Boolean | true     | false | a context containing a key "email" with null value |
      | string-targeted-zero-flag  | String  | str      |       | an empty context                                |
      | string-targeted-zero-flag  | String  | str      |       | a context containing a key "email" with null value |
      | integer-targeted-zero-flag | Integer | 1        | 0     | an empty context                                |
      | integer-targeted-zero-flag | Integer | 1        | 0     | a context containing a key "email" with null value |
      | float-targeted-zero-flag   | Float   | 1.0      | 0.0   | an empty context                                |
      | float-targeted-zero-flag   | Float   | 1.0      | 0.0   | a context containing a key "email" with null value |
      | object-targeted-zero-flag  | Object  | {"a": 1} | {}    | an empty context                                |
      | object-targeted-zero-flag  | Object  | {"a": 1} | {}    | a context containing a key "email" with null value |

  Scenario: Several attributes at once
    Given a String-flag with key "context-aware" and a default value "EXTERNAL"
    And a context containing a key "email", with type "String" and with value "ballmer@macrosoft.com"
    And a context containing a key "role", with type "String" and with value "admin"
    And a context containing a key "age", with type "Integer" and with value "65"
    And a context containing a key "customer", with type "Boolean" and with value "false"
    When the flag was evaluated with details
    Then the resolved details value should be "INTERNAL"
    And the reason should be "TARGETING_MATCH"

  Scenario: The same flag for nobody in particular
    Given a String-flag with key "context-aware" and a default value "NONE"
    When the flag was evaluated with details
    Then the resolved details value should be "EXTERNAL"
    And the reason should be "DEFAULT"

  Scenario Outline: The targeting key reaches the rules
    Given a String-flag with key "targeting-key-flag" and a default value "fallback"
    And a context containing a targeting key with value "<targeting key>"
    When the flag was evaluated with details
    Then the resolved details value should be "<value>"
    And the reason should be "<reason>"
    And the error-code should be ""

    Examples:
      | targeting key                        | value | reason          |
      | 5c3d8535-f81a-4478-a6d3-afaa4d51199e | hit   | TARGETING_MATCH |
      | f20bd32d-703b-48b6-bc8e-79d53c85134a | miss  | DEFAULT         |

  Scenario: A rule on the targeting key without one
    Given a String-flag with key "targeting-key-flag" and a default value "fallback"
    When the flag was evaluated with details
    Then the resolved details value should be "miss"
    And the error-code should be ""

  Scenario: A context that no rule reads
    Given a String-flag with key "string-flag" and a default value "bye"
    And a context containing a targeting key with value "f20bd32d-703b-48b6-bc8e-79d53c85134a"
    When the flag was evaluated with details
    Then the resolved details value should be "hi"
    And the error-code should be ""
    And the error message should be empty

  Scenario: A split draws for the targeting key
    Given a String-flag with key "split-flag" and a default value "fallback"
    And a context containing a targeting key with value "user-1"
    When the flag was evaluated with details
    Then the variant should be "left"
    And the reason should be "SPLIT"

  Scenario Outline: Instants, nested objects and lists in a context
    Given a String-flag with key "typed-context-flag" and a default value "fallback"
    And a context containing a key "<key>", with type "<type>" and with value "<content>"
    When the flag was evaluated with details
    Then the resolved details value should be "<value>"

    Examples:
      | key     | type     | content                   | value  |
      | born_at | Datetime | 2001-02-03T04:05:06+00:00 | born   |
      | born_at | Datetime | 1999-02-03T04:05:06+00:00 | nobody |
      | born_at | String   | 2001-02-03T04:05:06Z      | born   |
      | device  | Object   | {"os": "ios"}             | nested |
      | groups  | Object   | ["staff", "testers"]      | listed |

  Scenario Outline: A disabled flag leaves the caller's default, which is no error
    Given a <type>-flag with key "<key>" and a default value "<default>"
    When the flag was evaluated with details
    Then the resolved details value should be "<default>"
    And the reason should be "DISABLED"
    And the error-code should be ""
    And the error message should be empty

    Examples:
      | key                   | type    | default |
      | disabled-boolean-flag | Boolean | false   |
      | disabled-string-flag  | String  | bye     |
      | disabled-integer-flag | Integer | 1       |
      | disabled-float-flag   | Float   | 0.1     |
