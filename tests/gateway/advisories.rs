//! What was found wrong with gateways of this kind, and the tests that show it is not so here.
//!
//! A row without a test that exists fails. Left out is what this program has no part of: other
//! channels than iMessage, skills from a market, announcements on the local network.

use std::path::Path;

/// A file, and tests in it.
type Tests = (&'static str, &'static [&'static str]);

/// What went wrong elsewhere, and our tests.
const ROWS: &[(&str, &[Tests])] = &[
    (
        "CVE-2026-25253: a page takes the gateway's address from its link and sends the token there",
        &[("tests/page/connection.rs", &["a_hostile_address_opens_no_socket_elsewhere"])],
    ),
    (
        "CVE-2026-25593: methods without authentication, and a config that names programs to run",
        &[(
            "tests/gateway/table.rs",
            &[
                "every_method_refuses_every_level_below_its_own",
                "a_node_calls_no_method_of_an_operator",
                "before_the_handshake_every_method_is_refused",
            ],
        )],
    ),
    (
        "CVE-2026-28472: a token that is there counts as a token that is right",
        &[
            (
                "src/gateway/handshake/tests.rs",
                &["nobody_is_let_in_by_a_secret_that_is_only_there"],
            ),
            ("tests/gateway/guesses.rs", &["no_mixture_of_wrong_secrets_is_right"]),
        ],
    ),
    (
        "a page in a browser of the same machine guesses the password, without end",
        &[
            (
                "tests/gateway/doors.rs",
                &[
                    "a_page_of_somebody_else_gets_nowhere",
                    "a_name_that_was_bent_to_this_machine_is_turned_away",
                    "without_a_token_a_strong_one_is_made_and_kept_to_its_owner",
                ],
            ),
            (
                "tests/gateway/guesses.rs",
                &["a_page_on_this_machine_is_never_exempt_and_a_program_is"],
            ),
            ("src/gateway/handshake/tests.rs", &["a_device_token_beside_a_guess_does_not_hide_it"]),
            ("src/config/rules/gateway.rs", &["a_weak_secret_stays_on_this_machine"]),
        ],
    ),
    (
        "GHSA-rqpp-rjj8-7wv8: a client says which rights it has",
        &[
            (
                "tests/gateway/handshake.rs",
                &["rights_are_those_of_the_record_whatever_a_client_asks_for"],
            ),
            (
                "src/gateway/handshake/tests.rs",
                &["a_known_device_never_gets_more_than_its_record_says"],
            ),
        ],
    ),
    (
        "GHSA-4jpw-hj22-2xmc, GHSA-whf9-3hcx-gq54: a new token is wider than its giver, or than what \
         was approved",
        &[
            ("tests/gateway/pairing.rs", &["a_token_is_replaced_only_within_what_was_approved"]),
            (
                "src/gateway/pairing.rs",
                &[
                    "a_token_is_never_wider_than_what_was_approved_and_what_its_giver_has",
                    "what_was_taken_is_not_given_back",
                ],
            ),
        ],
    ),
    (
        "CVE-2026-33577, CVE-2026-33579: somebody approves more than he may do",
        &[
            ("tests/gateway/pairing.rs", &["nobody_gives_more_than_he_has"]),
            ("src/gateway/pairing.rs", &["what_is_given_the_giver_has"]),
        ],
    ),
    (
        "GHSA-943q-mwmv-hhvh: tools over HTTP that nobody has given",
        &[(
            "tests/gateway_http/tools.rs",
            &[
                "nothing_is_given_by_default",
                "what_an_agent_may_use_can_be_called_within_its_policy",
            ],
        )],
    ),
    (
        "CVE-2026-26322: a tool reaches the local network by an address of the model's",
        &[
            (
                "tests/core_tools/web.rs",
                &[
                    "what_is_denied_is_never_connected_to",
                    "a_redirect_is_judged_like_any_address",
                    "a_name_is_looked_up_once_a_hop_and_only_judged_addresses_are_used",
                ],
            ),
            (
                "actors/src/tool/core/web/address.rs",
                &["every_address_of_a_local_network_is_refused"],
            ),
        ],
    ),
    (
        "CVE-2026-26328: being let in alone lets somebody into groups",
        &[
            (
                "actors/src/router/access/tests.rs",
                &["a_pairing_never_changes_a_group", "only_direct_messages_pair"],
            ),
            ("tests/imessage/access.rs", &["groups_are_answered_where_they_are_let_in"]),
        ],
    ),
    (
        "CVE-2026-28471: a list of people is compared with names they give themselves",
        &[("actors/src/router/access/tests.rs", &["only_whole_ids_match"])],
    ),
    (
        "CVE-2026-44109: a webhook without a secret takes what comes",
        &[
            ("src/config/rules/webhooks.rs", &["webhooks_need_a_token_and_a_place_of_their_own"]),
            ("tests/gateway_http/hooks.rs", &["who_has_no_token_gets_nothing_and_is_locked_out"]),
            (
                "tests/gateway_http/github.rs",
                &["a_delivery_without_the_right_signature_is_refused"],
            ),
        ],
    ),
    (
        "a flood before anybody has said who he is",
        &[
            (
                "tests/gateway/hostile.rs",
                &[
                    "ten_thousand_that_say_nothing_cost_little_and_delay_nobody",
                    "a_stranger_sends_no_more_than_a_handshake_needs",
                    "rubbish_is_answered_or_ends_its_own_connection",
                    "one_that_never_reads_costs_little_and_is_ended",
                ],
            ),
            (
                "tests/gateway/places.rs",
                &["one_address_keeps_few_connections_and_pushes_out_only_its_own_idle_ones"],
            ),
            (
                "tests/gateway/tls.rs",
                &["a_handshake_that_does_not_end_is_ended_and_a_crowd_of_them_pushes_out_itself"],
            ),
        ],
    ),
    (
        "gateways that are open to the Internet, without a secret or in the clear",
        &[
            ("tests/gateway/doors.rs", &["nothing_listens_beyond_this_machine_without_a_secret"]),
            ("src/gateway/exposure.rs", &["what_can_be_read_on_the_way_has_to_be_said"]),
            (
                "tests/gateway/tls.rs",
                &[
                    "what_is_not_encrypted_gets_an_end_and_no_answer",
                    "the_command_line_takes_the_certificate_it_was_told_and_no_other",
                ],
            ),
        ],
    ),
    (
        "a proxy, or a program that says it is one, names people or addresses",
        &[
            (
                "tests/gateway/doors.rs",
                &[
                    "what_is_forwarded_is_never_taken_for_this_machine",
                    "a_proxy_that_has_asked_already_names_people",
                ],
            ),
            (
                "tests/gateway/enrolment.rs",
                &["a_network_that_is_named_lets_fresh_nodes_in_and_nothing_else"],
            ),
            (
                "tests/gateway/tailscale.rs",
                &["tailscales_word_counts_on_its_own_port_and_only_when_it_is_true"],
            ),
        ],
    ),
];

#[test]
fn every_advisory_has_the_tests_that_it_names() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut missing = Vec::new();
    for (what, files) in ROWS {
        assert!(!files.is_empty(), "{what}");
        for (file, tests) in *files {
            let text = std::fs::read_to_string(root.join(file)).unwrap_or_default();
            let is_there = |test: &&&str| {
                let at = text.find(&format!("fn {test}("));
                // The nearest attribute above it makes it a test.
                at.is_some_and(|at| text[..at].trim_end().ends_with(']') || is_async(&text[..at]))
            };
            missing.extend(
                tests.iter().filter(|test| !is_there(test)).map(|it| format!("{file}: {it}")),
            );
        }
    }
    assert_eq!(missing, [""; 0]);
}

fn is_async(before: &str) -> bool {
    before.trim_end().strip_suffix("async").is_some_and(|rest| rest.trim_end().ends_with(']'))
}
