Feature: Contexts are merged, hooks are run, metadata are there and events are tracked

  Background:
    Given a stable provider

  Scenario Outline: An attribute from one level reaches the rules
    Given a String-flag with key "level-flag" and a default value "fallback"
    And a context entry with key "level" and value "<level>" is added to the "<level>" level
    When the flag was evaluated with details
    Then the resolved details value should be "<level>"

    Examples:
      | level        |
      | API          |
      | Transaction  |
      | Client       |
      | Invocation   |
      | Before Hooks |

  Scenario Outline: A later level overwrites the earlier ones
    Given a String-flag with key "level-flag" and a default value "fallback"
    And context entries for each level from API level down to the "<level>" level, with key "level"
    When the flag was evaluated with details
    Then the resolved details value should be "<level>"

    Examples:
      | level        |
      | API          |
      | Transaction  |
      | Client       |
      | Invocation   |
      | Before Hooks |

  Scenario: A hook sees the details of an answer
    Given a client with added hook
    And a Boolean-flag with key "boolean-flag" and a default value "false"
    When the flag was evaluated with details
    Then the "before" hook should have been executed
    And the "after, finally" hooks should be called with evaluation details
      | key        | value        |
      | flag_key   | boolean-flag |
      | value      | True         |
      | variant    | on           |
      | reason     | STATIC       |
      | error_code | None         |

  Scenario Outline: A hook sees errors
    Given a client with added hook
    And a <type>-flag with key "<key>" and a default value "<default>"
    When the flag was evaluated with details
    Then the "before" hook should have been executed
    And the "error" hook should have been executed
    And the "finally" hooks should be called with evaluation details
      | key        | value     |
      | flag_key   | <key>     |
      | value      | <default> |
      | variant    | None      |
      | reason     | ERROR     |
      | error_code | <error>   |

    Examples:
      | key          | type    | default | error          |
      | missing-flag | String  | uh-oh   | FLAG_NOT_FOUND |
      | wrong-flag   | Integer | 13      | TYPE_MISMATCH  |

  Scenario: Hooks of one evaluation run for it, in their order
    Given a Boolean-flag with key "boolean-flag" and a default value "false"
    And evaluation options with the hooks "one" and "two"
    When the flag was evaluated with details
    Then the hooks ran as "before one, before two, after two, after one, finally two, finally one"

  Scenario: The caller's context stays as it was
    Given a String-flag with key "context-aware" and a default value "NONE"
    And a context containing a targeting key with value "user-1"
    And a context containing a key "device", with type "Object" and with value "{"os": "ios"}"
    And a context containing a key "customer", with type "Boolean" and with value "false"
    When the flag was evaluated with details
    Then the resolved details value should be "INTERNAL"
    And the context is as it was

  Scenario: Metadata of a flag
    Given a Boolean-flag with key "metadata-flag" and a default value "true"
    And a context containing a key "age", with type "Integer" and with value "65"
    When the flag was evaluated with details
    Then the resolved metadata should contain
      | key       | value                  |
      | owner     | team-spec              |
      | tags      | spec,release           |
      | flagSetId | openfeature/production |
      | rule      | everybody-old-enough   |
    And the resolved metadata has the flag's version

  Scenario: Metadata that a caller changes stay changed for that caller alone
    Given a Boolean-flag with key "metadata-flag" and a default value "true"
    When the flag was evaluated with details
    And the caller changes the metadata
    And the flag was evaluated with details
    Then the resolved metadata should contain
      | key   | value     |
      | owner | team-spec |

  Scenario: A flag that does not exist has no metadata
    Given a Boolean-flag with key "missing-flag" and a default value "true"
    When the flag was evaluated with details
    Then the resolved metadata is empty

  Scenario Outline: An event without a name is refused
    When an event was tracked with tracking event name "<name>"
    Then the tracking operation shall error
    And nothing should have been tracked

    Examples:
      | name |
      |      |
      | NULL |

  Scenario: An event is tracked
    When an event was tracked with tracking event name "the-event"
    Then the event "the-event" should have been tracked
