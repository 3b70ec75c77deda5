/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UPnP-IGD in the mapper, by miniupnpc. Only the default gateway is believed: whoever else on
 * the network answers the discovery could have our port lead elsewhere.
 */
#include <errno.h>
#include <miniupnpc/miniupnpc.h>
#include <miniupnpc/upnpcommands.h>
#include <miniupnpc/upnperrors.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "mapper.h"

#define DISCOVERY_MS 1000
#define DISCOVERY_TTL 2			/* UPnP Device Architecture 1.1, 1.3.2 */
#define CONFLICT 718			/* ConflictInMappingEntry */
#define TRIES 4				/* with other ports, when the one is taken */

struct texts {
	char local[INET6_ADDRSTRLEN], inner[8], outer[8];
};

/* IP addresses without their ports. */
static void ip_text(const struct address *a, char out[static INET6_ADDRSTRLEN])
{
	snprintf(out, INET6_ADDRSTRLEN, "%u.%u.%u.%u", a->ip[0], a->ip[1], a->ip[2], a->ip[3]);
}

/* "http://192.0.2.1:5000/...": whether it is the gateway's. */
static bool is_gateway_url(const struct mapper *m, const char *url)
{
	char ip[INET6_ADDRSTRLEN];
	size_t len;

	ip_text(&m->gateway.address, ip);
	len = strlen(ip);
	if (!url || strncmp(url, "http://", 7) != 0 || strncmp(url + 7, ip, len) != 0)
		return false;
	return url[7 + len] == ':' || url[7 + len] == '/';
}

static int use_device(struct mapper *m, const char *description)
{
	char local[INET6_ADDRSTRLEN] = "";
	struct UPNPUrls urls = { 0 };
	struct IGDdatas data = { 0 };
	int r = -EPROTO;

	if (!UPNP_GetIGDFromUrl(description, &urls, &data, local, sizeof local))
		return -EPROTO;
	if (is_gateway_url(m, urls.controlURL) && data.first.servicetype[0] != '\0') {
		m->control_url = strdup(urls.controlURL);
		m->service = strdup(data.first.servicetype);
		r = m->control_url && m->service ? 0 : -ENOMEM;
	}
	FreeUPNPUrls(&urls);
	return r;
}

static int discover(struct mapper *m)
{
	char local[INET6_ADDRSTRLEN];
	struct UPNPDev *devices;
	int error = 0, r = -ENETUNREACH;

	ip_text(&m->gateway.local, local);
	devices = upnpDiscover(DISCOVERY_MS, local, NULL, 0, 0, DISCOVERY_TTL, &error);
	for (struct UPNPDev *d = devices; d && r < 0; d = d->pNext)
		if (is_gateway_url(m, d->descURL))
			r = use_device(m, d->descURL);
	freeUPNPDevlist(devices);
	return r;
}

static struct texts texts_of(const struct mapper *m, uint16_t outer)
{
	struct texts t;

	ip_text(&m->gateway.local, t.local);
	snprintf(t.inner, sizeof t.inner, "%u", m->port);
	snprintf(t.outer, sizeof t.outer, "%u", outer);
	return t;
}

/* *outer: the port to ask for first; which one it became. */
static int add(const struct mapper *m, uint16_t *outer)
{
	char lease[16];
	int r = CONFLICT;

	snprintf(lease, sizeof lease, "%u", MAPPER_LEASE_S);
	for (unsigned int i = 0; i < TRIES && r == CONFLICT; i++) {
		struct texts t;

		if (i > 0) {
			uint16_t draw;

			if (getrandom(&draw, sizeof draw, 0) != sizeof draw)
				return -EIO;
			*outer = (uint16_t)(draw | 0x8000);
		}
		t = texts_of(m, *outer);
		/* one that lasts for ever (error 725 wants it) is not asked for: it would outlive
		 * us when the power fails */
		r = UPNP_AddPortMapping(m->control_url, m->service, t.outer, t.inner, t.local, "punch",
					"UDP", NULL, lease);
	}
	return r == UPNPCOMMAND_SUCCESS ? 0 : -EACCES;
}

static void release(struct mapper *m)
{
	struct texts t = texts_of(m, m->external.port);

	UPNP_DeletePortMapping(m->control_url, m->service, t.outer, "UDP", NULL);
}

static int ask(struct mapper *m)
{
	uint16_t outer = m->external.port ? m->external.port : m->port;
	char text[64] = "";
	struct address external;
	int r = m->control_url ? 0 : discover(m);

	if (r < 0)
		return r;
	if (UPNP_GetExternalIPAddress(m->control_url, m->service, text) != UPNPCOMMAND_SUCCESS)
		return -EPROTO;
	text[sizeof text - 1] = '\0';
	if (address_parse(text, outer, &external) < 0 || !mapper_is_useful(&external))
		return -EADDRNOTAVAIL;
	r = add(m, &outer);
	if (r < 0)
		return r;
	external.port = outer;
	m->external = external;
	m->lease_s = MAPPER_LEASE_S;
	return 0;
}

const struct mapper_protocol mapper_upnp = { MAPPING_UPNP, ask, release };
