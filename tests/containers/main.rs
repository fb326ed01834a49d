//! Container tests: a real engine, the real image, made by `scripts/build --small`.
//!
//! All of them share one engine, which is started before the first and stopped after the last;
//! hence a harness of their own. A test's name is the sentence that it proves.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod aarch64;
mod compose;
mod engine;
mod harness;
mod image;
mod install;
mod job;
mod kubexit;
mod loss;
mod managed;
mod readiness;
mod readme;
mod release;
mod restart;
mod seccomp;
mod status;
mod stop;
#[allow(dead_code)] // the tests of plain processes use the rest
mod support;
mod termination_log;
mod zombies;

use harness::{Host, Test, tests};
use std::process::ExitCode;

const TESTS: &[&[Test]] = &[
    // The longest first, so that none of them is waited for alone.
    tests![loss: a_follower_ends_when_the_engine_kills_main,
        a_follower_ends_when_main_runs_out_of_memory,
        a_follower_ends_when_the_supervisor_itself_is_the_one_out_of_memory],
    tests![compose: the_compose_project_among_the_examples_ends_and_again],
    tests![kubexit: the_client_server_job_is_complete,
        the_cloudsql_proxy_job_is_complete,
        a_client_whose_server_starts_too_slowly_gives_up_with_124,
        a_container_gets_term_when_its_death_dependency_dies,
        who_depends_on_a_birth_starts_when_the_other_says_that_it_is_ready,
        a_container_that_is_killed_is_seen_by_the_other_at_once,
        a_wrong_start_has_a_status_of_its_own_and_under_a_name_a_tombstone],
    tests![readiness: an_answer_on_the_containers_own_loopback_makes_ready_and_a_404_does_not,
        a_listener_on_the_containers_own_loopback_makes_ready,
        a_probe_in_the_container_makes_ready_and_runs_as_its_user,
        a_file_in_memory_makes_ready,
        a_container_of_another_user_announces_readiness,
        a_notification_needs_no_writable_directory],
    tests![managed: a_config_map_is_followed_on_a_read_only_root_by_a_user_without_rights,
        a_mount_and_a_directory_of_the_image_are_refused_and_one_in_a_volume_is_exchanged,
        a_standby_is_alive_and_inactive_until_it_is_activated],
    tests![stop: docker_stop_reaches_a_command_that_traps_it_and_returns_its_status,
        docker_stop_ends_a_command_without_a_trap_with_143,
        docker_stop_reaches_a_command_that_waits_to_be_born,
        docker_stop_ends_a_wait_as_pid_1_with_143],
    tests![job: a_job_whose_main_exits_0_is_complete,
        a_job_whose_main_fails_says_so_in_both_containers,
        a_job_needs_nothing_but_the_scratch_image],
    tests![install: an_init_container_installs_into_a_volume_that_another_image_runs_from,
        an_installation_is_replaced_while_it_runs],
    tests![termination_log: a_command_that_does_not_exist_is_explained,
        a_command_line_that_is_wrong_is_explained,
        a_stop_for_a_death_dependency_is_explained,
        a_command_that_ends_by_itself_leaves_no_termination_message,
        a_termination_message_of_the_command_is_left_alone],
    tests![restart: a_command_is_restarted_in_place_while_its_follower_goes_on,
        docker_stop_ends_a_back_off_at_once_with_143,
        what_a_command_leaves_behind_is_waited_for_before_it_is_said_dead],
    tests![seccomp: a_command_runs_under_the_profile_and_is_killed_for_any_other_call],
    tests![zombies: orphans_are_reaped_by_pid_1],
    tests![status: status_looks_into_a_scratch_container_from_inside_and_from_beside],
    tests![image: the_image_is_one_binary_and_its_links,
        the_image_says_what_it_is,
        the_image_starts_as_any_user_on_a_read_only_root,
        buildkit_builds_the_same_image],
    tests![readme: the_dockerfile_of_the_readme_runs_its_command_under_exitdir_run,
        the_command_of_the_readme_shows_the_entry_point_of_an_image],
    tests![release: docker_loads_the_image_of_a_release_and_runs_it,
        containerd_imports_the_image_of_a_release_for_both_architectures],
    tests![aarch64: the_binary_says_its_version,
        a_signal_is_seen_by_a_wait,
        a_command_runs_and_leaves_its_status,
        a_signal_is_passed_on,
        a_killed_supervisor_is_lost],
];

fn main() -> ExitCode {
    harness::run(TESTS.concat(), &Host::default())
}
