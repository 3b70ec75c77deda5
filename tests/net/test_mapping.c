/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Port mappings, judged by a router that nobody here wrote: miniupnpd in a namespace of its own,
 * with a host behind it and another one outside. By each protocol a mapping is granted, leads in,
 * and is gone when its holder is, however that ended.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../cli/punch/mapping.h"
#include "harness.h"
#include "probe.h"

enum { ROUTER, INSIDE, OUTSIDE, SPACES };

/* Not one of the documentation's networks: miniupnpd gives nothing away behind what is reserved.
 * No packet of these leaves the namespaces. */
#define ROUTER_IP "11.0.0.1"
#define OUTSIDE_IP "11.0.0.9"
#define PORT 40123

static const char rules[] =
	"table inet filter {\n"
	"	chain forward {\n"
	"		type filter hook forward priority 0; policy drop;\n"
	"		jump miniupnpd\n"
	"		iifname \"lan\" accept\n"
	"		ct state established,related accept\n"
	"	}\n"
	"	chain prerouting {\n"
	"		type nat hook prerouting priority -100;\n"
	"		jump prerouting_miniupnpd\n"
	"	}\n"
	"	chain postrouting {\n"
	"		type nat hook postrouting priority 100;\n"
	"		jump postrouting_miniupnpd\n"
	"		oifname \"wan\" masquerade\n"
	"	}\n"
	"	chain miniupnpd { }\n"
	"	chain prerouting_miniupnpd { }\n"
	"	chain postrouting_miniupnpd { }\n"
	"}\n";

static const char router_conf[] =
	"ext_ifname=wan\n"
	"listening_ip=lan\n"
	"enable_natpmp=yes\n"
	"enable_upnp=yes\n"
	"port=5000\n"
	"secure_mode=yes\n"
	"uuid=6aaf1d2a-7d9c-4f2c-9d54-5d3f4ccd8e11\n"
	"serial=1\n"
	"model_number=1\n"
	"allow 1024-65535 10.0.0.0/24 1024-65535\n";

struct home {
	struct space space[SPACES];
	char dir[DIR_BYTES];
	pid_t router;
	int log;
};

static void feed(const struct home *h, unsigned int where, const char *const *argv,
		 const char *text)
{
	static const char *const sysctls[] = { "net/ipv4/ip_forward=1", NULL };
	int keep[] = { h->space[INSIDE].net, h->space[OUTSIDE].net };
	struct space_program program = {
		.argv = argv, .in = -1, .out = -1, .err = -1, .keep = keep, .keep_n = 2,
		.sysctls = sysctls,
	};
	pid_t pid = space_feed(&h->space[where], &program, text);

	cr_assert_gt(pid, 0);
	cr_assert_eq(space_wait(pid, HANG_MS), 0, "%s: %s", argv[0], text);
}

#define IP ((const char *const[]){ "ip", "-batch", "-", NULL })

static void connect_all(const struct home *h)
{
	char text[512];

	snprintf(text, sizeof text,
		 "link set lo up\n"
		 "link add wan type veth peer name eth netns /proc/self/fd/%d\n"
		 "link add lan type veth peer name eth netns /proc/self/fd/%d\n"
		 "address add " ROUTER_IP "/24 dev wan\n"
		 "address add 10.0.0.1/24 dev lan\n"
		 "link set wan up\n"
		 "link set lan up\n", h->space[OUTSIDE].net, h->space[INSIDE].net);
	feed(h, ROUTER, IP, text);
	feed(h, OUTSIDE, IP, "link set lo up\naddress add " OUTSIDE_IP "/24 dev eth\nlink set eth up\n");
	feed(h, INSIDE, IP, "link set lo up\naddress add 10.0.0.2/24 dev eth\nlink set eth up\n"
			    "route add default via 10.0.0.1\n");
	feed(h, ROUTER, ((const char *const[]){ "nft", "-f", "-", NULL }), rules);
}

static bool log_says(void *arg)
{
	const struct home *h = arg;
	char *text = fd_read(h->log, NULL);
	bool says = strstr(text, "Listening for NAT-PMP/PCP") != NULL;

	free(text);
	return says;
}

static void home_up(struct home *h)
{
	int error = spaces_make(h->space, SPACES);
	char conf[PATH_BYTES], pid_file[PATH_BYTES];

	NEED(error != -EPERM && error != -ENOSPC, "no network namespaces for us");
	cr_assert_eq(error, 0);
	connect_all(h);
	dir_make(h->dir);
	snprintf(conf, sizeof conf, "%s/conf", h->dir);
	snprintf(pid_file, sizeof pid_file, "%s/pid", h->dir);
	file_write(conf, router_conf);
	h->log = MUST(memfd_create("log", MFD_CLOEXEC));
	h->router = space_spawn(&h->space[ROUTER], &(struct space_program){
		.argv = (const char *const[]){ "miniupnpd", "-d", "-f", conf, "-P", pid_file, NULL },
		.in = -1, .out = h->log, .err = h->log,
	});
	cr_assert_gt(h->router, 0);
	cr_assert(wait_until(log_says, h), "miniupnpd: %s", fd_read(h->log, NULL));
}

static void home_down(struct home *h)
{
	space_end(h->router);
	spaces_free(h->space, SPACES);
	close(h->log);
	dir_remove(h->dir);
}

/* ---- the router's own view ---- */

static bool router_forwards(const struct home *h)
{
	int out = MUST(memfd_create("rules", MFD_CLOEXEC));
	pid_t pid = space_spawn(&h->space[ROUTER], &(struct space_program){
		.argv = (const char *const[]){ "nft", "list", "chain", "inet", "filter",
					       "prerouting_miniupnpd", NULL },
		.in = -1, .out = out, .err = -1,
	});
	char *text;
	bool is;

	cr_assert_gt(pid, 0);
	cr_assert_eq(space_wait(pid, HANG_MS), 0);
	text = fd_read(out, NULL);
	is = strstr(text, "dport 40123 dnat ip to 10.0.0.2:40123");
	free(text);
	close(out);
	return is;
}

static bool router_has_forgotten(void *arg)
{
	return !router_forwards(arg);
}

static int bound(const struct space *space, uint16_t port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = space_socket(space, AF_INET);

	cr_assert_geq(fd, 0);
	MUST(bind(fd, (struct sockaddr *)&sa, sizeof sa));
	return fd;
}

/* ---- a holder of a mapping: a process on the inside host ---- */

struct holder {
	pid_t pid;
	int fd;		/* it says the result there; any byte to it asks it to end */
};

static int result_within(struct mapping *m, struct mapping_result *ret)
{
	struct pollfd p = { .fd = m->fd, .events = POLLIN };

	if (poll(&p, 1, HANG_MS) <= 0)
		return -ETIMEDOUT;
	return mapping_read(m, ret);
}

static _Noreturn void hold(const struct space *space, unsigned int methods, int fd)
{
	struct mapping_result result = { 0 };
	struct mapping m;
	char byte;

	if (space_enter(space) < 0 || mapping_start(&m, PORT, methods) < 0 ||
	    result_within(&m, &result) < 0 ||
	    write(fd, &result, sizeof result) != sizeof result || read(fd, &byte, 1) != 1)
		_exit(CHILD_FAILED);
	mapping_end(&m);
	_exit(0);
}

static struct holder holder_start(const struct space *space, unsigned int methods,
				  struct mapping_result *ret)
{
	struct holder holder;
	int pair[2];

	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	holder.fd = pair[0];
	holder.pid = child_fork();
	if (holder.pid == 0)
		hold(space, methods, pair[1]);
	close(pair[1]);
	cr_assert(wait_fd(holder.fd, POLLIN));
	cr_assert_eq(read(holder.fd, ret, sizeof *ret), sizeof *ret, "the holder failed");
	return holder;
}

/* ---- tests ---- */

static void judge(unsigned int methods, unsigned int method, bool killed)
{
	struct mapping_result result;
	struct holder holder;
	char text[ADDRESS_TEXT_BYTES];
	int inside, outside, early;
	struct home h;

	home_up(&h);
	inside = bound(&h.space[INSIDE], PORT);
	outside = bound(&h.space[OUTSIDE], 0);
	/* of a flow of its own, which the router has not taken for one of its own */
	early = bound(&h.space[OUTSIDE], 0);
	probe_send(early, ROUTER_IP, PORT, "unasked");

	holder = holder_start(&h.space[INSIDE], methods, &result);
	cr_expect_eq(result.method, method, "by %s", mapping_method_word(result.method));
	cr_expect_str_eq(address_format(&result.external, text), ROUTER_IP ":40123");
	cr_expect_gt(result.lease_s, 0);
	cr_expect_leq(result.lease_s, 120);
	cr_expect(router_forwards(&h));
	probe_send(outside, ROUTER_IP, PORT, "asked");
	cr_expect_neq(probe_receive(inside, "asked", HANG_MS), 0, "it leads nowhere");
	cr_expect_eq(probe_receive(inside, "unasked", 0), 0, "it led in before");

	if (killed) {
		child_kill(holder.pid);
		cr_expect(wait_until(router_has_forgotten, &h), "it outlived its holder");
	} else {
		MUST(write(holder.fd, "e", 1));
		cr_expect_eq(child_wait(holder.pid), 0);
		cr_expect_not(router_forwards(&h), "it was not given back");
	}
	close(holder.fd);
	close(inside);
	close(outside);
	close(early);
	home_down(&h);
}

TEST(mapping, pcp)
{
	judge(MAPPING_PCP, MAPPING_PCP, false);
}

TEST(mapping, nat_pmp)
{
	judge(MAPPING_NAT_PMP, MAPPING_NAT_PMP, false);
}

TEST(mapping, upnp)
{
	judge(MAPPING_UPNP, MAPPING_UPNP, false);
}

TEST(mapping, best_first_and_given_back_by_who_is_killed)
{
	judge(MAPPING_ALL, MAPPING_PCP, true);
}

TEST(mapping, none_without_a_router)
{
	struct mapping_result result;
	struct space alone;
	struct holder holder;
	int error = spaces_make(&alone, 1);

	NEED(error != -EPERM && error != -ENOSPC, "no network namespaces for us");
	cr_assert_eq(error, 0);
	holder = holder_start(&alone, MAPPING_ALL, &result);
	cr_expect_eq(result.method, 0);
	cr_expect_eq(result.external.family, 0);
	MUST(write(holder.fd, "e", 1));
	cr_expect_eq(child_wait(holder.pid), 0);
	close(holder.fd);
	spaces_free(&alone, 1);
}
