Feature: A provider's life, and what it tells of it

  Scenario Outline: The status can be asked for
    Given a <state> provider
    Then the provider status should be "<status>"

    Examples:
      | state     | status    |
      | stable    | READY     |
      | not ready | NOT_READY |
      | error     | ERROR     |
      | fatal     | FATAL     |
      | stale     | STALE     |

  Scenario: A provider that finds its flags is ready
    Given a ready event handler
    And a stable provider
    Then the ready event handler should have been executed
    And the provider status should be "READY"

  Scenario: A provider that finds none says so, and serves defaults
    Given a error event handler
    And a error provider
    And a Boolean-flag with key "boolean-flag" and a default value "false"
    Then the error event handler should have been executed
    When the flag was evaluated with details
    Then the resolved details value should be "false"
    And the reason should be "ERROR"
    And the error-code should be "PROVIDER_NOT_READY"

  Scenario: A provider that finds its flags late becomes ready late
    Given a error provider
    And a ready event handler
    When the remote has flags at last
    Then the ready event handler should have been executed
    And the provider status should be "READY"

  Scenario: What was refused at first and is trusted later
    Given a fatal provider
    And a ready event handler
    When the remote has flags at last
    Then the ready event handler should have been executed
    And the provider status should be "READY"

  Scenario: A change is told and applied
    Given a stable provider
    And a String-flag with key "changing-flag" and a default value "unset"
    And a change event handler
    When the flag was evaluated with details
    And the resolved value is remembered
    And the flag was modified
    Then the change event handler should have been executed
    And the flag should be part of the event payload
    And the event payload should list exactly "changing-flag, leaning-flag"
    When the flag was evaluated with details
    Then the resolved details value should have changed

  Scenario: Without its remote a provider grows stale, and with it ready again
    Given a stable provider
    And a ready event handler
    And a stale event handler
    When a ready event was fired
    And the connection is lost
    Then the stale event handler should have been executed
    And the provider status should be "STALE"
    When the connection is restored
    Then the ready event handler should have been executed
    And the provider status should be "READY"

  Scenario: Stale flags go on answering, and say what they are
    Given a stale provider
    And a Boolean-flag with key "boolean-flag" and a default value "false"
    When the flag was evaluated with details
    Then the resolved details value should be "true"
    And the reason should be "STALE"

  Scenario: An update that is refused is an error that stops nothing
    Given a stable provider
    And a error event handler
    And a Boolean-flag with key "boolean-flag" and a default value "false"
    When an update was refused
    Then the error event handler should have been executed
    And the provider status should be "ERROR"
    When the flag was evaluated with details
    Then the resolved details value should be "true"
    And the reason should be "STATIC"

  Scenario: A provider has a name
    Given a stable provider
    Then the provider metadata name should be "flagctl"
