/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linux routers as NATs: rules.h.
 */
#include "rules.h"

#include <errno.h>
#include <string.h>

static const char *const words[LAB_NAT_KERNEL_KINDS] = {
	[LAB_NAT_NONE] = "none",
	[LAB_NAT_FIREWALL] = "firewall",
	[LAB_NAT_PRESERVE] = "preserve",
	[LAB_NAT_RANDOM] = "random",
	[LAB_NAT_FULLY_RANDOM] = "fully-random",
	[LAB_NAT_FULL_CONE] = "full-cone",
	[LAB_NAT_RESTRICTED] = "restricted",
	[LAB_NAT_SEQUENTIAL] = "sequential",
};

const char *lab_nat_word(enum lab_nat nat)
{
	return (unsigned int)nat < LAB_NAT_KERNEL_KINDS ? words[nat] : NULL;
}

int lab_nat_parse(const char *word, enum lab_nat *ret)
{
	for (unsigned int i = 0; i < LAB_NAT_KERNEL_KINDS; i++) {
		if (strcmp(words[i], word) == 0) {
			*ret = (enum lab_nat)i;
			return 0;
		}
	}
	return -EINVAL;
}

static void write_masquerade(FILE *out, const struct rules *rules, const char *how)
{
	fprintf(out, "\t\toifname \"%s\" meta l4proto udp masquerade", rules->wan);
	if (rules->low)
		fprintf(out, " to :%u-%u", rules->low, rules->high);
	fprintf(out, "%s\n\t\toifname \"%s\" masquerade\n", how, rules->wan);
}

/* Who sent out of which port, and to whom: seen before the translation, which keeps the port.
 * Hairpinned packets must look as if they came from outside, for the LAN host would otherwise
 * answer past the router. */
static void write_cone(FILE *out, const struct rules *rules)
{
	bool restricted = rules->nat == LAB_NAT_RESTRICTED;

	fprintf(out, "\tmap cone {\n\t\ttype inet_service : ipv4_addr . inet_service\n"
		     "\t\tflags dynamic,timeout\n\t\ttimeout 120s\n\t}\n"
		     "\tset peers {\n\t\ttype inet_service . ipv4_addr\n"
		     "\t\tflags dynamic,timeout\n\t\ttimeout 120s\n\t}\n");
	fprintf(out, "\tchain seen {\n\t\ttype filter hook postrouting priority 90\n"
		     "\t\tiifname \"%s\" meta l4proto udp "
		     "update @cone { udp sport : ip saddr . udp sport } "
		     "update @peers { udp sport . ip daddr }\n\t}\n", rules->lan);
	fprintf(out, "\tchain incoming {\n\t\ttype nat hook prerouting priority dstnat\n"
		     "\t\tip daddr %s udp dport%s dnat ip to udp dport map @cone\n\t}\n",
		rules->public, restricted ? " . ip saddr @peers" : " 1-65535");
	fprintf(out, "\tchain outgoing {\n\t\ttype nat hook postrouting priority srcnat\n"
		     "\t\toifname \"%s\" masquerade\n"
		     "\t\tiifname \"%s\" oifname \"%s\" ct status dnat snat to %s\n\t}\n",
		rules->wan, rules->lan, rules->lan, rules->public);
}

static void write_sequence(FILE *out, const struct rules *rules)
{
	fprintf(out, "\t\toifname \"%s\" meta l4proto udp snat to %s:numgen inc mod %u map {",
		rules->wan, rules->public, RULES_SEQUENCE);
	for (unsigned int i = 0; i < RULES_SEQUENCE; i++)
		fprintf(out, "%s%u:%u", i ? "," : "", i, RULES_FIRST + i);
	fprintf(out, "}\n\t\toifname \"%s\" masquerade\n", rules->wan);
}

static void write_translation(FILE *out, const struct rules *rules)
{
	if (rules->nat == LAB_NAT_NONE || rules->nat == LAB_NAT_FIREWALL)
		return;
	fprintf(out, "table ip translation {\n");
	if (rules->nat == LAB_NAT_FULL_CONE || rules->nat == LAB_NAT_RESTRICTED) {
		write_cone(out, rules);
	} else {
		fprintf(out, "\tchain outgoing {\n"
			     "\t\ttype nat hook postrouting priority srcnat\n");
		if (rules->nat == LAB_NAT_SEQUENTIAL)
			write_sequence(out, rules);
		else
			write_masquerade(out, rules,
					 rules->nat == LAB_NAT_RANDOM	      ? " random"
					 : rules->nat == LAB_NAT_FULLY_RANDOM ? " fully-random"
									      : "");
		fprintf(out, "\t}\n");
	}
	fprintf(out, "}\n");
}

/* The forward chain is every home router's. */
static void write_firewall(FILE *out, const struct rules *rules)
{
	fprintf(out, "table inet wall {\n");
	if (rules->flows_max)
		fprintf(out, "\tset flows {\n\t\ttype ipv4_addr\n\t\tsize 65535\n"
			     "\t\tflags dynamic\n\t}\n");
	fprintf(out, "\tchain input {\n\t\ttype filter hook input priority 0\n\t\tpolicy %s\n"
		     "\t\tct state established,related accept\n"
		     "\t\tiifname \"%s\" accept\n\t\tip protocol icmp accept\n"
		     "\t\tip6 nexthdr icmpv6 accept\n\t}\n",
		rules->input_accept ? "accept" : "drop", rules->lan);
	fprintf(out, "\tchain forward {\n\t\ttype filter hook forward priority 0\n"
		     "\t\tpolicy drop\n");
	if (rules->flows_max)
		fprintf(out, "\t\tiifname \"%s\" ct state new "
			     "add @flows { ip saddr ct count over %u } drop\n",
			rules->lan, rules->flows_max);
	fprintf(out, "\t\tct state established,related accept\n\t\tct status dnat accept\n"
		     "\t\tiifname \"%s\" accept\n\t}\n}\n", rules->lan);
}

void rules_write(FILE *out, const struct rules *rules)
{
	fprintf(out, "flush ruleset\n");
	write_translation(out, rules);
	write_firewall(out, rules);
}
