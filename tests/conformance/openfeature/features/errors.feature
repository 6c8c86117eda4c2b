Feature: A provider that cannot answer says why, and the caller's default is served

  Background:
    Given a stable provider

  Scenario Outline: A flag that does not exist
    Given a <type>-flag with key "missing-flag" and a default value "<default>"
    When the flag was evaluated with details
    Then the resolved details value should be "<default>"
    And the variant should be "None"
    And the reason should be "ERROR"
    And the error-code should be "FLAG_NOT_FOUND"
    And the error message should contain "flag missing-flag not found"

    Examples:
      | type    | default  |
      | Boolean | false    |
      | String  | uh-oh    |
      | Integer | 1        |
      | Float   | 0.1      |
      | Object  | {"a": 1} |

  Scenario Outline: A value of another type
    Given a <type>-flag with key "<key>" and a default value "<default>"
    When the flag was evaluated with details
    Then the resolved details value should be "<default>"
    And the variant should be "None"
    And the reason should be "ERROR"
    And the error-code should be "TYPE_MISMATCH"

    Examples:
      | key          | type    | default  |
      | string-flag  | Boolean | false    |
      | string-flag  | Integer | 1        |
      | string-flag  | Float   | 0.1      |
      | string-flag  | Object  | {}       |
      | wrong-flag   | Boolean | false    |
      | wrong-flag   | Integer | 13       |
      | boolean-flag | String  | bye      |
      | boolean-flag | Integer | 1        |
      | boolean-flag | Float   | 0.1      |
      | boolean-flag | Object  | {}       |
      | integer-flag | Boolean | false    |
      | integer-flag | String  | fallback |
      | integer-flag | Object  | {}       |
      | float-flag   | Boolean | false    |
      | float-flag   | String  | fallback |
      | object-flag  | Boolean | false    |
      | object-flag  | String  | fallback |
      | object-flag  | Integer | 1        |
      | object-flag  | Float   | 0.1      |

  Scenario Outline: Between integers and floats nothing is lost
    Given a <type>-flag with key "<key>" and a default value "<default>"
    When the flag was evaluated with details
    Then the resolved details value should be "<value>"
    And the error-code should be "<error>"

    Examples:
      | key                 | type    | default | value | error         |
      | float-flag          | Integer | 1       | 1     | TYPE_MISMATCH |
      | integral-float-flag | Integer | 1       | 10    |               |
      | integral-float-flag | Float   | 0.1     | 10.0  |               |
      | integer-flag        | Float   | 0.1     | 10.0  |               |

  Scenario: A split without anybody to draw for
    Given a String-flag with key "split-flag" and a default value "fallback"
    When the flag was evaluated with details
    Then the resolved details value should be "fallback"
    And the reason should be "ERROR"
    And the error-code should be "TARGETING_KEY_MISSING"

  Scenario Outline: A provider that is not ready, or never will be
    Given a <status> provider
    And a <type>-flag with key "<key>" and a default value "<default>"
    When the flag was evaluated with details
    Then the resolved details value should be "<default>"
    And the reason should be "ERROR"
    And the error-code should be "<error>"

    Examples:
      | status    | key          | type    | default  | error              |
      | not ready | boolean-flag | Boolean | false    | PROVIDER_NOT_READY |
      | not ready | string-flag  | String  | bye      | PROVIDER_NOT_READY |
      | not ready | integer-flag | Integer | 1        | PROVIDER_NOT_READY |
      | not ready | float-flag   | Float   | 0.1      | PROVIDER_NOT_READY |
      | not ready | object-flag  | Object  | {"a": 1} | PROVIDER_NOT_READY |
      | fatal     | boolean-flag | Boolean | false    | PROVIDER_FATAL     |
      | fatal     | string-flag  | String  | bye      | PROVIDER_FATAL     |
      | fatal     | integer-flag | Integer | 1        | PROVIDER_FATAL     |
      | fatal     | float-flag   | Float   | 0.1      | PROVIDER_FATAL     |
      | fatal     | object-flag  | Object  | {"a": 1} | PROVIDER_FATAL     |
