/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the lab is the internet that it says it is: each NAT judged by a STUN client and server
 * that nobody here wrote, and by hand.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "probe.h"

struct kind {
	enum lab_nat nat;
	const char *mapping, *filtering;
};

#define INDEPENDENT "Endpoint Independent "
#define BY_ADDRESS "Address Dependent "
#define BY_BOTH "Address and Port Dependent "

static const struct kind kinds[] = {
	{ LAB_NAT_FIREWALL, INDEPENDENT "Mapping", BY_BOTH "Filtering" },
	{ LAB_NAT_PRESERVE, INDEPENDENT "Mapping", BY_BOTH "Filtering" },
	{ LAB_NAT_RANDOM, BY_BOTH "Mapping", BY_BOTH "Filtering" },
	{ LAB_NAT_FULLY_RANDOM, BY_BOTH "Mapping", BY_BOTH "Filtering" },
	{ LAB_NAT_FULL_CONE, INDEPENDENT "Mapping", INDEPENDENT "Filtering" },
	{ LAB_NAT_RESTRICTED, INDEPENDENT "Mapping", BY_ADDRESS "Filtering" },
	{ LAB_NAT_SEQUENTIAL, BY_BOTH "Mapping", BY_BOTH "Filtering" },
};
#define KINDS (sizeof kinds / sizeof *kinds)

/* All at once, because the judge waits long for what does not come. */
static void judge_all(const char *flag, bool carrier)
{
	struct judge judges[KINDS];

	for (size_t i = 0; i < KINDS; i++) {
		struct lab_config config = { .side[LAB_A].nat = kinds[i].nat };

		if (carrier && kinds[i].nat != LAB_NAT_FIREWALL) {
			config.side[LAB_A].nat = LAB_NAT_PRESERVE;
			config.side[LAB_A].carrier = kinds[i].nat;
		}
		judge_start(&judges[i], &config, flag);
	}
	for (size_t i = 0; i < KINDS; i++) {
		const char *want = flag[1] == 'm' ? kinds[i].mapping : kinds[i].filtering;
		char verdict[JUDGE_BYTES];

		/* The home's own filtering is the narrower one. */
		if (carrier && flag[1] == 'f')
			want = BY_BOTH "Filtering";
		judge_finish(&judges[i], verdict);
		cr_expect_str_eq(verdict, want, "%s is %s", lab_nat_word(kinds[i].nat), verdict);
	}
}

TEST(lab, mapping_is_judged)
{
	judge_all("-m", false);
}

TEST(lab, filtering_is_judged)
{
	judge_all("-f", false);
}

TEST(lab, mapping_behind_a_carrier_is_judged)
{
	judge_all("-m", true);
}

TEST(lab, filtering_behind_a_carrier_is_judged)
{
	judge_all("-f", true);
}

/* A host's port as a public host sees it. */
static uint16_t seen_port(int from, int to, const char *ip, uint16_t port)
{
	probe_send(from, ip, port, "who");
	return probe_receive(to, "who", HANG_MS);
}

/* B is public and sends to A's NAT before A does; what A's port then is. */
static uint16_t port_after_early_probe(bool accept)
{
	struct lab_config config = { .side[LAB_A] = { .nat = LAB_NAT_PRESERVE,
						      .input_accept = accept } };
	struct lab lab;
	uint16_t port;
	int a, b;

	probe_lab(&lab, &config);
	a = lab_socket(&lab, LAB_HOST_A, 40000);
	b = lab_socket(&lab, LAB_HOST_B, 5000);
	probe_send(b, LAB_PUBLIC_A, 40000, "early");
	/* It has been there when what was sent thereafter is answered from there. */
	cr_assert_not(probe_arrives(b, a, LAB_PUBLIC_A, 40000));
	port = seen_port(a, b, LAB_PUBLIC_B, 5000);
	close(a);
	close(b);
	lab_down(&lab);
	return port;
}

TEST(lab, early_probe_poisons_a_router_that_accepts)
{
	uint16_t port = port_after_early_probe(true);

	cr_expect_neq(port, 40000);
	cr_expect_neq(port, 0);
}

TEST(lab, early_probe_does_nothing_to_one_that_drops)
{
	cr_expect_eq(port_after_early_probe(false), 40000);
}

TEST(lab, full_cone_lets_anybody_in_and_restricted_who_was_written_to)
{
	static const enum lab_nat nats[] = { LAB_NAT_FULL_CONE, LAB_NAT_RESTRICTED };

	for (size_t i = 0; i < 2; i++) {
		struct lab_config config = { .side[LAB_A].nat = nats[i] };
		int a, b, stranger;
		struct lab lab;

		probe_lab(&lab, &config);
		a = lab_socket(&lab, LAB_HOST_A, 40000);
		b = lab_socket(&lab, LAB_HOST_B, 0);
		stranger = lab_socket(&lab, LAB_RELAY, 0);
		probe_send(a, LAB_PUBLIC_B, 1, "opens");
		cr_expect(probe_arrives(b, a, LAB_PUBLIC_A, 40000));
		cr_expect_eq(probe_arrives(stranger, a, LAB_PUBLIC_A, 40000), i == 0);
		close(a);
		close(b);
		close(stranger);
		lab_down(&lab);
	}
}

TEST(lab, flows_of_a_host_are_limited)
{
	struct lab_config config = { .side[LAB_A] = { .nat = LAB_NAT_PRESERVE,
						      .flows_max = 16 } };
	struct lab lab;
	unsigned int through = 0;
	int b;

	probe_lab(&lab, &config);
	b = lab_socket(&lab, LAB_HOST_B, 5000);
	for (int i = 0; i < 20; i++) {
		int a = lab_socket(&lab, LAB_HOST_A, 0);

		through += probe_arrives(a, b, LAB_PUBLIC_B, 5000);
		close(a);
	}
	cr_expect_eq(through, 16);
	close(b);
	lab_down(&lab);
}

TEST(lab, flows_end_after_their_timeout)
{
	struct lab_config config = { .side[LAB_A] = { .nat = LAB_NAT_PRESERVE,
						      .timeout_s = 1 } };
	struct lab lab;
	uint16_t port;
	int a, b;

	probe_lab(&lab, &config);
	a = lab_socket(&lab, LAB_HOST_A, 0);
	b = lab_socket(&lab, LAB_HOST_B, 5000);
	port = seen_port(a, b, LAB_PUBLIC_B, 5000);
	cr_expect(probe_arrives(b, a, LAB_PUBLIC_A, port));
	/* The kernel's clock for this counts seconds. */
	usleep(2500000);
	cr_expect_not(probe_arrives(b, a, LAB_PUBLIC_A, port));
	close(a);
	close(b);
	lab_down(&lab);
}

TEST(lab, restarted_router_gives_another_port)
{
	struct lab_config config = { .side[LAB_A].nat = LAB_NAT_PRESERVE };
	struct lab lab;
	uint16_t before, after;
	int a, b;

	probe_lab(&lab, &config);
	a = lab_socket(&lab, LAB_HOST_A, 45000);
	b = lab_socket(&lab, LAB_HOST_B, 5000);
	before = seen_port(a, b, LAB_PUBLIC_B, 5000);
	cr_assert_eq(lab_rebind(&lab, LAB_A), 0);
	cr_expect_not(probe_arrives(b, a, LAB_PUBLIC_A, before));
	after = seen_port(a, b, LAB_PUBLIC_B, 5000);
	cr_expect_eq(before, 45000);
	cr_expect(after >= 30000 && after < 40000, "port %u", after);
	cr_expect(probe_arrives(b, a, LAB_PUBLIC_A, after));
	close(a);
	close(b);
	lab_down(&lab);
}

TEST(lab, host_that_changes_its_address_can_go_on)
{
	struct lab_config config = { .side[LAB_A].nat = LAB_NAT_PRESERVE };
	struct lab lab;
	int a, b;

	probe_lab(&lab, &config);
	b = lab_socket(&lab, LAB_HOST_B, 5000);
	cr_assert_eq(lab_change_address(&lab, LAB_A), 0);
	cr_expect_str_eq(lab.ip[LAB_HOST_A], "192.168.1.110");
	a = lab_socket(&lab, LAB_HOST_A, 0);
	cr_expect(probe_arrives(a, b, LAB_PUBLIC_B, 5000));
	close(a);
	close(b);
	lab_down(&lab);
}

TEST(lab, hosts_of_a_lan_meet_there)
{
	struct lab_config config = { .side[LAB_A] = { .nat = LAB_NAT_PRESERVE, .third = true },
				     .same_lan = true };
	struct lab lab;
	int a, b, third;

	probe_lab(&lab, &config);
	a = lab_socket(&lab, LAB_HOST_A, 5000);
	b = lab_socket(&lab, LAB_HOST_B, 5000);
	third = lab_socket(&lab, LAB_THIRD_A, 5000);
	cr_expect(probe_arrives(a, b, lab.ip[LAB_HOST_B], 5000));
	cr_expect(probe_arrives(third, a, lab.ip[LAB_HOST_A], 5000));
	close(a);
	close(b);
	close(third);
	lab_down(&lab);
}

/* ---- nothing is left behind ---- */

static unsigned int interfaces(void)
{
	struct if_nameindex *all = if_nameindex();
	unsigned int n = 0;

	while (all && all[n].if_index)
		n++;
	if_freenameindex(all);
	return n;
}

TEST(lab, leaves_nothing_behind)
{
	struct lab_config config = {
		.side = { { .nat = LAB_NAT_PRESERVE, .carrier = LAB_NAT_RANDOM, .third = true },
			  { .nat = LAB_NAT_PRESERVE, .carrier = LAB_NAT_RANDOM, .third = true } },
		.ipv6 = true,
	};
	unsigned int before;
	struct space_program sleeper = {
		.argv = (const char *const[]){ "sleep", "1000", NULL },
		.in = -1, .out = -1, .err = -1,
	};
	struct lab lab;
	pid_t pid;

	/* What others do to the host's interfaces meanwhile is not to be counted. */
	if (unshare(CLONE_NEWNET) < 0)
		harness_note("the interfaces counted are the host's: %s", strerror(errno));
	before = interfaces();
	probe_lab(&lab, &config);
	harness_note("everything there is, two carriers and IPv6, is up in %llu us",
		    (unsigned long long)lab.up_us);
	pid = lab_spawn(&lab, LAB_HOST_A, &sleeper);
	cr_assert_gt(pid, 0);
	cr_expect_eq(interfaces(), before);
	lab_down(&lab);
	cr_expect_eq(interfaces(), before);
	cr_expect_neq(kill(pid, 0), 0);
}

/* Its holder is killed: what it started ends, too. */
TEST(lab, ends_with_its_holder)
{
	struct lab_config config = { .side[LAB_A].nat = LAB_NAT_PRESERVE };
	struct pollfd p = { .events = POLLIN | POLLHUP };
	int pipes[2];
	struct space_program sleeper = {
		.argv = (const char *const[]){ "sleep", "1000", NULL }, .in = -1, .err = -1,
	};
	struct lab probe;
	char byte;
	pid_t pid;

	probe_lab(&probe, &config);
	lab_down(&probe);
	MUST(pipe2(pipes, O_CLOEXEC));
	pid = child_fork();
	if (pid == 0) {
		struct lab lab;

		sleeper.out = pipes[1];
		if (lab_up(&lab, &config) < 0 || lab_spawn(&lab, LAB_HOST_A, &sleeper) < 0)
			_exit(CHILD_FAILED);
		if (write(pipes[1], "x", 1) == 1)
			pause();
		_exit(CHILD_FAILED);
	}
	close(pipes[1]);
	cr_assert_eq(read(pipes[0], &byte, 1), 1);
	child_kill(pid);
	p.fd = pipes[0];
	cr_assert_eq(poll(&p, 1, HANG_MS), 1);
	cr_expect_eq(read(pipes[0], &byte, 1), 0);
	close(pipes[0]);
}

static int socket_6(const struct lab *lab, enum lab_node node, uint16_t port)
{
	struct sockaddr_in6 at = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = MUST(space_socket(&lab->space[node], AF_INET6));

	MUST(bind(fd, (struct sockaddr *)&at, sizeof at));
	return fd;
}

static bool arrives_6(int from, int to, const char *ip, uint16_t port)
{
	struct sockaddr_in6 at = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	inet_pton(AF_INET6, ip, &at.sin6_addr);
	MUST(sendto(from, "six", 3, 0, (struct sockaddr *)&at, sizeof at));
	return probe_receive(to, "six", PROBE_SOON_MS) != 0;
}

TEST(lab, ipv6_passes_firewalls_that_were_opened)
{
	struct lab_config config = { .side = { { .nat = LAB_NAT_PRESERVE,
						 .carrier = LAB_NAT_RANDOM },
					       { .nat = LAB_NAT_PRESERVE } },
				     .ipv6 = true };
	struct lab lab;
	int a, b;

	probe_lab(&lab, &config);
	a = socket_6(&lab, LAB_HOST_A, 5000);
	b = socket_6(&lab, LAB_HOST_B, 5000);
	cr_expect_not(arrives_6(a, b, "2001:db8:b:1::10", 5000));
	cr_expect(arrives_6(b, a, "2001:db8:a:1::10", 5000));
	cr_expect(arrives_6(a, b, "2001:db8:b:1::10", 5000));
	close(a);
	close(b);
	lab_down(&lab);
}
