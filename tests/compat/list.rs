// The checks and their numbers, in the order of `CHECKLIST.md`.
checks! {
    amtool_alerts {
        both "amtool.1" add_stores_all_that_is_said
        both "amtool.1" add_without_times_fires_now
        both "amtool.2" query_shows_active_ones
        both "amtool.2" query_flags_replace_active
        both "amtool.3" query_takes_matchers
        both "amtool.3" query_takes_a_receiver
        both "amtool.3" query_prints_in_three_ways
        both "amtool.16" what_the_server_says_is_passed_on
        both "amtool.17" it_works_under_a_prefix
        ours "amtool.18" it_shows_who_it_is
    }
    amtool_silences {
        both "amtool.4" add_prints_the_id
        both "amtool.4" add_takes_times
        both "amtool.4" add_takes_annotations
        both "amtool.5" query_finds_by_words_and_matchers
        both "amtool.5" query_finds_by_end
        both "amtool.5" query_prints_in_three_ways
        both "amtool.6" update_keeps_the_id
        both "amtool.7" expire_ends_all_that_are_named
        both "amtool.8" import_takes_what_query_prints
    }
    amtool_config {
        both "amtool.9" show_prints_the_configuration
        both "amtool.10" routes_show_draws_the_tree
        both "amtool.11" routes_test_names_receivers
        both "amtool.11" routes_test_verifies_receivers
        both "amtool.12" what_is_shown_is_a_configuration
        both "amtool.12" secrets_are_not_shown
        ours "amtool.13" only_what_is_set_is_shown
        both "amtool.14" cluster_show_says_disabled
        both "amtool.15" what_check_config_takes_can_be_had
    }
    api {
        both "api.1" a_post_is_answered_with_nothing
        both "api.2" an_alert_has_all_its_members
        both "api.2" what_was_not_posted_is_empty_not_null
        both "api.2" an_offset_is_the_same_moment
        both "api.3" a_group_has_all_its_members
        both "api.4" a_silence_has_all_its_members
        both "api.4" an_unknown_silence_is_not_found
        both "api.5" the_status_has_all_its_members
        both "api.6" receivers_are_listed
        both "api.7" answers_are_not_to_be_kept_and_open_to_pages
        both "api.8" it_says_that_it_is_well
        both "api.8" it_shows_metrics
        both "api.9" a_read_sees_what_was_posted_before
    }
    listing {
        both "api.10" alerts_come_by_fingerprint
        both "api.11" states_are_left_out_by_name
        both "api.11" what_is_no_boolean_is_false
        both "api.11" groups_leave_states_out_too
        both "api.12" a_receivers_alerts_are_listed_by_pattern
        both "api.13" groups_are_listed
        both "api.14" silences_come_by_state_and_time
        both "alerts.9" an_absent_label_is_an_empty_one
        both "alerts.9" patterns_are_anchored_at_both_ends
        both "alerts.9" all_filters_must_match
        both "silences.5" a_silence_filter_compares_matchers
    }
    api_errors {
        both "api.20" what_is_no_array_of_alerts_is_400
        both "api.21" an_alert_without_labels_is_422
        both "api.22" an_alert_that_says_nothing_is_400
        both "api.23" an_end_before_its_start_is_400
        both "api.24" another_content_type_is_415
        both "api.25" a_bad_filter_is_400
        both "api.26" a_bad_receiver_pattern_is_400
        both "api.27" an_id_that_is_none_is_422
        both "api.28" a_silence_of_an_unknown_id_is_404
        both "api.29" a_silence_without_a_member_is_422
        both "api.29" a_silence_without_words_is_taken
        both "silences.3" a_silence_without_matchers_is_422
        both "silences.3" a_silence_that_matches_nothing_in_particular_is_400
        both "silences.3" a_silence_that_is_never_active_is_400
        both "silences.3" a_silence_with_a_bad_pattern_is_400
        both "ours.1" the_old_version_is_gone
    }
    alerts {
        both "alerts.1" labels_alone_are_its_identity
        both "alerts.1" fingerprint_is_fnv_1a_over_sorted_labels
        both "alerts.1" empty_label_values_are_dropped
        both "alerts.2" without_a_start_it_starts_now
        both "alerts.2" with_an_end_alone_it_starts_then
        both "alerts.2" without_an_end_it_has_the_resolve_timeout
        both "alerts.2" the_resolve_timeout_is_five_minutes
        both "alerts.2" each_post_renews_the_resolve_timeout
        both "alerts.4" one_whose_end_has_passed_is_over
        both "alerts.4" one_that_is_not_renewed_is_over
        both "alerts.5" valid_ones_of_a_bad_batch_are_kept
        both "alerts.6" label_names_may_be_any_utf8
        both "alerts.7" it_is_unprocessed_until_it_is_dispatched
        both "alerts.7" a_silenced_one_is_suppressed
        both "alerts.8" one_that_is_over_when_first_heard_of_is_nothing
    }
    merging {
        both "alerts.3" the_earliest_start_holds
        both "alerts.3" the_newest_annotations_hold
        both "alerts.3" a_later_end_that_was_set_holds
        both "alerts.3" an_end_that_was_set_outlasts_the_timeout
        both "alerts.3" a_timeout_never_outlasts_an_end_that_is_set
        both "alerts.3" a_resolve_ends_it
        both "alerts.3" of_two_resolves_the_latest_end_holds
        both "alerts.3" after_its_end_it_starts_anew
    }
    matchers {
        both "matchers.1" four_operators_in_filters
        both "matchers.1" four_operators_in_routes
        both "matchers.1" four_operators_in_silences
        both "matchers.1" four_operators_in_inhibition
        both "matchers.2" lists_and_braces_in_a_configuration
        both "matchers.2" neither_in_a_filter
        both "matchers.3" values_need_no_quotes
        both "matchers.3" a_value_is_unescaped
        both "matchers.4" what_either_parser_reads_is_good
        both "matchers.5" is_equal_is_true_where_it_is_not_said
        both "matchers.6" maps_of_old_still_load
    }
    routing {
        both "routing.1" the_tree_is_walked_depth_first
        both "routing.1" a_root_must_match_all_and_name_a_receiver
        both "routing.1" children_inherit_all_but_matchers_and_mutes
        both "routing.1" all_receivers_of_an_alert_are_told
        both "routing.2" groups_by_some_labels
        both "routing.2" groups_by_a_label_that_some_lack
        both "routing.2" groups_by_all_labels
        both "routing.2" one_group_where_nothing_is_said
        both "routing.2" one_group_by_an_empty_list
        both "routing.2" each_route_has_groups_of_its_own
        both "routing.5" a_group_is_told_as_one
    }
    timers {
        both "routing.3" the_first_word_waits_for_group_wait
        both "routing.3" an_old_alert_does_not_wait
        both "routing.3" news_wait_for_group_interval
        both "routing.3" no_news_is_not_told
        both "routing.3" it_is_repeated_after_repeat_interval
        both "routing.3" the_last_word_ends_the_group
        both "routing.4" what_ends_before_group_wait_is_not_told
        both "routing.4" a_group_not_told_as_firing_is_not_told_as_over
        both "routing.5" what_is_over_is_told_once
        both "routing.9" a_reload_repeats_nothing
        both "routing.9" a_reload_moves_alerts_to_new_routes
        both "routing.10" over_and_back_between_two_ticks_is_no_news
        both "routing.10" an_emptied_group_keeps_its_rhythm
    }
    telling {
        both "routing.6" one_that_fails_does_not_repeat_the_other
        both "routing.7" a_server_error_is_tried_again
        both "routing.7" any_2xx_is_good
        both "routing.7" a_refusal_is_not_tried_again_at_once
        both "routing.7" after_a_refusal_the_next_state_is_told
        both "routing.11" ends_are_not_told_where_they_are_not_wanted
        both "routing.11" slack_is_told_of_ends_only_where_asked
        both "routing.1" a_receiver_without_integrations_is_good
    }
    time_intervals {
        both "routing.8" every_part_of_an_interval_counts
        both "routing.8" what_was_muted_is_told_afterwards
        both "alerts.7" only_groups_show_who_mutes_them
        both "api.11" muted_groups_can_be_left_out
    }
    webhook {
        both "webhook.1" it_has_all_its_members
        both "webhook.1" its_alerts_have_all_their_members
        both "webhook.2" its_group_key_is_path_and_labels
        both "webhook.2" the_roots_group_key_is_its_labels
        both "webhook.3" the_end_of_one_that_is_over_is_told
        both "webhook.3" it_is_resolved_once_all_are
        both "webhook.4" its_start_times_keep_nanoseconds
        both "webhook.5" its_alerts_come_by_job_and_instance
        both "webhook.6" more_than_max_alerts_are_counted
        both "routing.10" its_url_is_a_template
    }
    inhibition {
        both "inhibition.1" equal_labels_make_the_pair
        both "inhibition.1" an_absent_label_equals_an_absent_one
        ours "inhibition.1" the_last_of_two_sources_frees
        both "inhibition.2" both_sides_do_not_inhibit_themselves
        both "inhibition.3" a_silenced_source_still_inhibits
        both "inhibition.3" a_target_is_told_when_its_source_ends
        both "inhibition.4" pairs_end_together
        both "inhibition.4" an_empty_rule_does_no_harm
        both "inhibition.4" it_names_its_sources
        both "matchers.6" rules_of_old_still_load
    }
    silences {
        both "silences.1" a_new_one_that_began_begins_now
        both "silences.1" it_is_pending_then_active_then_expired
        both "silences.2" an_active_one_is_changed_in_place
        both "silences.2" other_matchers_make_a_new_one
        both "silences.2" another_start_of_an_active_one_makes_a_new_one
        both "silences.2" it_can_be_ended_twice
        both "silences.2" a_pending_one_can_be_ended
        both "silences.3" a_pending_one_may_move_its_start
        both "silences.3" editing_an_expired_one_makes_a_new_one
        both "silences.3" all_its_matchers_must_match
        both "silences.4" what_it_silences_says_so_at_once
        both "silences.4" what_it_held_back_is_told_when_it_ends
        both "silences.4" it_survives_a_restart
    }
    ours {
        both "ours.2" a_reload_by_post
        both "ours.2" a_reload_by_signal
        ours "ours.3" a_reload_by_change
        ours "ours.3" a_reload_is_for_operators
        ours "ours.4" refusals_that_pass_are_tried_again
        ours "ours.4" retry_after_is_waited_for
        ours "ours.4" other_refusals_are_dead_letters
        ours "ours.5" the_tenant_is_the_credentials
        ours "ours.5" nobody_is_let_in_without_a_credential
        ours "ours.6" everything_survives_a_kill
        both "ours.7" what_we_add_is_in_new_members
        both "ours.7" a_silence_can_be_posted_as_it_was_answered
        ours "ours.8" repeats_and_ends_are_never_refused
        ours "ours.8" nothing_ends_because_we_were_away
        ours "ours.9" ends_are_told_though_silenced
        ours "ours.9" ends_are_told_though_inhibited
        ours "ours.9" ends_are_told_though_muted
        ours "ours.9" ends_are_told_to_a_receiver_that_was_removed
    }
}
