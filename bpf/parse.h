/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Header parsers. Each reads at the cursor, fills its part of the event and
 * moves on; those that lead to another header return its type, or -1 when the
 * packet cannot be followed further (the event's parse flags say why).
 */
#ifndef STREAMER_PARSE_H
#define STREAMER_PARSE_H

#include "cursor.h"
#include "parse_ip.h"
#include "parse_link.h"
#include "parse_transport.h"

#define ETHERTYPE_MIN 0x0600 /* below, it is the length of an IEEE 802.3 frame */

/* From the network header on; `ethertype` is what the link layer said. */
static __always_inline void parse_network(struct cursor *cursor, struct packet_event *event,
					  int ethertype)
{
	int protocol;

	ethertype = parse_vlan(cursor, event, ethertype);
	if (ethertype < 0)
		return;
	/* a length in its place is no ethertype */
	event->key.ethertype = ethertype < ETHERTYPE_MIN ? 0 : ethertype;

	switch (ethertype) {
	case ETH_P_IP:
		protocol = parse_ipv4(cursor, event);
		break;
	case ETH_P_IPV6:
		protocol = parse_ipv6(cursor, event);
		break;
	case ETH_P_ARP:
		parse_arp(cursor, event);
		return;
	default:
		event->parse |= PARSE_UNKNOWN_ETHERTYPE;
		return;
	}
	if (protocol >= 0)
		parse_transport(cursor, event, protocol);
}

#endif
