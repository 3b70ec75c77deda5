/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the box delays, loses, expires and translates as it is told; its NATs judged as the
 * kernel's are.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"
#include "ip.h"
#include "probe.h"

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* Who may not open TUN devices has no box. */
static void box_lab(struct lab *ret, const struct lab_config *config)
{
	NEED(access("/dev/net/tun", R_OK | W_OK) == 0, "/dev/net/tun is not ours to open");
	probe_lab(ret, config);
}

/* ---- headers ---- */

static struct sim_packet some_packet(uint8_t family)
{
	struct sim_packet p = { .len = 5, .ttl = 17, .bytes = "hello" };

	address_parse(family == 4 ? "192.0.2.1:1" : "[2001:db8::1]:1", 0, &p.src);
	address_parse(family == 4 ? "198.51.100.7:65535" : "[2001:db8::7]:65535", 0, &p.dst);
	return p;
}

TEST(box_ip, what_is_written_is_read)
{
	for (uint8_t family = 4; family <= 6; family = (uint8_t)(family + 2)) {
		struct sim_packet in = some_packet(family), out;
		uint8_t bytes[IP_BYTES_MAX];
		size_t len = ip_write(&in, bytes);

		cr_assert_eq(ip_read(bytes, len, &out), 0);
		cr_expect(address_equal(&out.src, &in.src) && address_equal(&out.dst, &in.dst));
		cr_expect_eq(out.ttl, 17);
		cr_expect_eq(out.len, 5);
		cr_expect_arr_eq(out.bytes, in.bytes, 5);
		for (size_t cut = 0; cut < len; cut++)
			cr_expect_eq(ip_read(bytes, cut, &out), -EPROTO, "%zu of %zu bytes", cut,
				     len);
	}
}

TEST(box_ip, fragments_and_others_are_refused)
{
	static const struct {
		size_t at;
		uint8_t value;
	} changes[] = {
		{ 0, 0x44 }, { 0, 0x4f }, { 0, 0x55 }, { 6, 0x20 }, { 7, 1 }, { 9, 6 },
		{ 3, 27 }, { 3, 19 }, { 25, 7 }, { 24, 1 },
	};

	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		struct sim_packet in = some_packet(4), out;
		uint8_t bytes[IP_BYTES_MAX];
		size_t len = ip_write(&in, bytes);

		bytes[changes[i].at] = changes[i].value;
		cr_expect_eq(ip_read(bytes, len, &out), -EPROTO, "byte %zu", changes[i].at);
	}
}

/* ---- links ---- */

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

TEST(box, delays_each_way)
{
	struct lab_config config = {
		.side = { { .nat = LAB_NAT_PRESERVE }, { .nat = LAB_NAT_NONE } },
		.core = { .box = true, .link.delay_us = 10000 },
	};
	uint64_t took[50];
	struct lab lab;
	int a, b;

	box_lab(&lab, &config);
	a = lab_socket(&lab, LAB_HOST_A, 5000);
	b = lab_socket(&lab, LAB_HOST_B, 5000);
	for (int i = 0; i < 50; i++) {
		uint64_t began = now_us();

		probe_send(a, LAB_PUBLIC_B, 5000, "there");
		cr_assert_eq(probe_receive(b, "there", HANG_MS), 5000);
		probe_send(b, LAB_PUBLIC_A, 5000, "back");
		cr_assert_eq(probe_receive(a, "back", HANG_MS), 5000);
		took[i] = now_us() - began;
	}
	qsort(took, 50, sizeof *took, compare);
	harness_note("there and back, four links of 10 ms each: median %.2f ms, worst %.2f ms",
		    (double)took[25] / 1e3, (double)took[49] / 1e3);
	cr_expect_geq(took[0], 40000);
	close(a);
	close(b);
	lab_down(&lab);
}

/* Of so many datagrams from A to B, each sent when the last one is there or lost. */
static unsigned int arrived(const struct lab_config *config, unsigned int n, uint8_t *which)
{
	struct lab lab;
	unsigned int there = 0;
	int a, b;

	box_lab(&lab, config);
	a = lab_socket(&lab, LAB_HOST_A, 0);
	b = lab_socket(&lab, LAB_HOST_B, 5000);
	for (unsigned int i = 0; i < n; i++)
		probe_send(a, LAB_PUBLIC_B, 5000, (const char[]){ (char)('a' + i % 26), 0 });
	probe_send(a, LAB_PUBLIC_B, 5000, "end");
	for (unsigned int i = 0; i < n; i++) {
		char said[8];
		struct pollfd p = { .fd = b, .events = POLLIN };

		if (poll(&p, 1, PROBE_SOON_MS) <= 0 || recv(b, said, sizeof said, 0) != 1)
			break;
		which[there++] = (uint8_t)said[0];
	}
	close(a);
	close(b);
	lab_down(&lab);
	return there;
}

TEST(box, loses_as_its_seed_says)
{
	struct lab_config config = {
		.core = { .box = true, .link = { .loss = 0.2, .seed = 5 } },
	};
	uint8_t first[200], second[200];
	unsigned int n = arrived(&config, 200, first), again = arrived(&config, 200, second);

	/* 0.8 * 0.8 of them: 128, with a deviation of 7. */
	cr_expect(n > 90 && n < 165, "%u arrived", n);
	cr_expect_eq(n, again);
	cr_expect_arr_eq(first, second, n);
	config.core.link.seed = 6;
	again = arrived(&config, 200, second);
	cr_expect(again != n || memcmp(first, second, n) != 0);
}

static void set_ttl(int fd, int ttl)
{
	MUST(setsockopt(fd, IPPROTO_IP, IP_TTL, &ttl, sizeof ttl));
}

TEST(box, is_as_many_hops_as_it_is_told)
{
	struct lab_config config = {
		.side = { { .nat = LAB_NAT_PRESERVE }, { .nat = LAB_NAT_PRESERVE } },
		.core = { .box = true, .hops = 4, .expired = true },
	};
	int a, b, on = 1;
	struct pollfd p = { 0 };
	struct lab lab;

	box_lab(&lab, &config);
	a = lab_socket(&lab, LAB_HOST_A, 5000);
	b = lab_socket(&lab, LAB_HOST_B, 5000);
	MUST(setsockopt(a, IPPROTO_IP, IP_RECVERR, &on, sizeof on));
	/* Opens A's NAT, and does not reach B's. */
	set_ttl(a, 4);
	cr_expect_not(probe_arrives(a, b, LAB_PUBLIC_B, 5000));
	cr_expect_eq(atomic_load(&lab.box.counters->verdicts[SIM_DROP_TTL]), 1);
	p.fd = a;
	cr_expect_eq(poll(&p, 1, HANG_MS), 1);
	cr_expect(p.revents & POLLERR);
	/* The next one must not fail what is sent after it. */
	on = 0;
	MUST(setsockopt(a, IPPROTO_IP, IP_RECVERR, &on, sizeof on));
	cr_expect(probe_arrives(b, a, LAB_PUBLIC_A, 5000));
	/* The last router of the middle has nothing left to take. */
	set_ttl(a, 5);
	cr_expect_not(probe_arrives(a, b, LAB_PUBLIC_B, 5000));
	cr_expect_eq(atomic_load(&lab.box.counters->verdicts[SIM_DROP_TTL]), 2);
	/* Two routers, four hops, and what must be left at the end. */
	set_ttl(a, 6);
	cr_expect_not(probe_arrives(a, b, LAB_PUBLIC_B, 5000));
	set_ttl(a, 7);
	cr_expect(probe_arrives(a, b, LAB_PUBLIC_B, 5000));
	close(a);
	close(b);
	lab_down(&lab);
}

TEST(box, carries_many)
{
	enum { FLOOD = 20000, BURST = 100 };
	struct lab_config config = { .core = { .box = true, .link.delay_us = 10000 } };
	int size = 8 << 20;
	unsigned int there = 0;
	uint64_t began, ended;
	struct lab lab;
	char said[64];
	int a, b;

	box_lab(&lab, &config);
	a = lab_socket(&lab, LAB_HOST_A, 0);
	b = lab_socket(&lab, LAB_HOST_B, 5000);
	setsockopt(b, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
	began = now_us();
	for (unsigned int i = 0; i < FLOOD; i++) {
		probe_send(a, LAB_PUBLIC_B, 5000, "flood");
		while (i % BURST == 0 && recv(b, said, sizeof said, 0) > 0)
			there++;
	}
	while (wait_fd(b, POLLIN) && recv(b, said, sizeof said, 0) > 0)
		if (++there == FLOOD)
			break;
	ended = now_us();
	harness_note("%u of %d datagrams passed in %.0f ms", there, FLOOD,
		    (double)(ended - began) / 1e3);
	cr_expect_gt(there, FLOOD / 2);
	close(a);
	close(b);
	lab_down(&lab);
}

/* ---- its NATs ---- */

struct kind {
	const char *nat, *mapping, *filtering;
};

#define INDEPENDENT "Endpoint Independent "
#define BY_ADDRESS "Address Dependent "
#define BY_BOTH "Address and Port Dependent "

static const struct kind kinds[] = {
	{ "cone", INDEPENDENT "Mapping", INDEPENDENT "Filtering" },
	{ "restricted", INDEPENDENT "Mapping", BY_ADDRESS "Filtering" },
	{ "easy", INDEPENDENT "Mapping", BY_BOTH "Filtering" },
	{ "linux", INDEPENDENT "Mapping", BY_BOTH "Filtering" },
	{ "linux-random", BY_BOTH "Mapping", BY_BOTH "Filtering" },
	{ "address", BY_ADDRESS "Mapping", BY_BOTH "Filtering" },
	{ "hard", BY_BOTH "Mapping", BY_BOTH "Filtering" },
	{ "block", BY_BOTH "Mapping", BY_BOTH "Filtering" },
	{ "parity", BY_BOTH "Mapping", BY_BOTH "Filtering" },
	{ "sequential", BY_BOTH "Mapping", BY_BOTH "Filtering" },
	{ "guarded", BY_BOTH "Mapping", BY_BOTH "Filtering" },
};
#define KINDS (sizeof kinds / sizeof *kinds)

static void judge_all(const char *flag)
{
	struct judge judges[KINDS];

	NEED(access("/dev/net/tun", R_OK | W_OK) == 0, "/dev/net/tun is not ours to open");
	for (size_t i = 0; i < KINDS; i++) {
		struct lab_config config = {
			.side[LAB_A].user_nat = kinds[i].nat,
			.core = { .box = true, .link.delay_us = 1000 },
		};

		judge_start(&judges[i], &config, flag);
	}
	for (size_t i = 0; i < KINDS; i++) {
		const char *want = flag[1] == 'm' ? kinds[i].mapping : kinds[i].filtering;
		char verdict[JUDGE_BYTES];

		judge_finish(&judges[i], verdict);
		cr_expect_str_eq(verdict, want, "%s is %s", kinds[i].nat, verdict);
	}
}

TEST(box, mapping_is_judged)
{
	judge_all("-m");
}

TEST(box, filtering_is_judged)
{
	judge_all("-f");
}

TEST(box, nat_forgets_when_rebooted)
{
	struct lab_config config = { .side[LAB_A].user_nat = "easy", .core.box = true };
	uint16_t port, next;
	struct lab lab;
	int a, b;

	box_lab(&lab, &config);
	a = lab_socket(&lab, LAB_HOST_A, 0);
	b = lab_socket(&lab, LAB_HOST_B, 5000);
	probe_send(a, LAB_PUBLIC_B, 5000, "one");
	port = probe_receive(b, "one", HANG_MS);
	cr_expect(probe_arrives(b, a, LAB_PUBLIC_A, port));
	cr_assert_eq(lab_rebind(&lab, LAB_A), 0);
	cr_expect_not(probe_arrives(b, a, LAB_PUBLIC_A, port));
	probe_send(a, LAB_PUBLIC_B, 5000, "two");
	next = probe_receive(b, "two", HANG_MS);
	cr_expect(probe_arrives(b, a, LAB_PUBLIC_A, next));
	close(a);
	close(b);
	lab_down(&lab);
}

TEST(box, homes_behind_one_carrier_meet_by_hairpin)
{
	struct lab_config config = {
		.side = { { .nat = LAB_NAT_PRESERVE, .user_nat = "cone" },
			  { .nat = LAB_NAT_PRESERVE } },
		.same_carrier = true,
		.core.box = true,
	};
	uint16_t port_a, port_b;
	int a, b, relay;
	struct lab lab;

	box_lab(&lab, &config);
	a = lab_socket(&lab, LAB_HOST_A, 5000);
	b = lab_socket(&lab, LAB_HOST_B, 5000);
	relay = lab_socket(&lab, LAB_RELAY, 5000);
	probe_send(a, LAB_RELAY_IP, 5000, "a");
	port_a = probe_receive(relay, "a", HANG_MS);
	probe_send(b, LAB_RELAY_IP, 5000, "b");
	port_b = probe_receive(relay, "b", HANG_MS);
	/* The carrier lets them in, the homes only who was written to. */
	cr_expect_not(probe_arrives(a, b, LAB_PUBLIC_A, port_b));
	cr_expect(probe_arrives(b, a, LAB_PUBLIC_A, port_a));
	cr_expect(probe_arrives(a, b, LAB_PUBLIC_A, port_b));
	close(a);
	close(b);
	close(relay);
	lab_down(&lab);
}

TEST(box, host_behind_its_nat_can_move)
{
	struct lab_config config = { .side[LAB_A].user_nat = "easy", .core.box = true };
	struct lab lab;
	uint16_t port;
	int a, b;

	box_lab(&lab, &config);
	cr_assert_eq(lab_change_address(&lab, LAB_A), 0);
	a = lab_socket(&lab, LAB_HOST_A, 0);
	b = lab_socket(&lab, LAB_HOST_B, 5000);
	probe_send(a, LAB_PUBLIC_B, 5000, "moved");
	port = probe_receive(b, "moved", HANG_MS);
	cr_expect(probe_arrives(b, a, LAB_PUBLIC_A, port));
	close(a);
	close(b);
	lab_down(&lab);
}
