/* SPDX-License-Identifier: GPL-2.0-only */
/* Ethernet, its tags, ARP. */
#ifndef STREAMER_PARSE_LINK_H
#define STREAMER_PARSE_LINK_H

#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>

#include "cursor.h"

#define VLAN_TAGS_MAX 2
#define VLAN_ID_MASK 0x0fff

/* of linux/if_arp.h, which needs the C library's headers */
#define ARPHRD_ETHER 1
#define ARPHRD_IEEE802 6
#define ARP_START_BYTES 8 /* up to the addresses */

struct vlan_tag {
	__be16 tci;
	__be16 ethertype; /* of what follows */
};

struct arp_ipv4 {
	__be16 hardware;
	__be16 protocol;
	__u8 hardware_length;
	__u8 protocol_length;
	__be16 operation;
	__u8 sender_mac[ETH_ALEN];
	__u8 sender_ip[4];
	__u8 target_mac[ETH_ALEN];
	__u8 target_ip[4];
};

/* Returns the ethertype. */
static __always_inline int parse_ethernet(struct cursor *cursor, struct packet_event *event)
{
	struct ethhdr ethernet;

	if (peek(cursor, &ethernet, sizeof(ethernet)))
		return stop(event, PARSE_TRUNCATED);
	cursor->at->offset += sizeof(ethernet);
	__builtin_memcpy(event->key.destination_mac, ethernet.h_dest, ETH_ALEN);
	__builtin_memcpy(event->key.source_mac, ethernet.h_source, ETH_ALEN);
	event->key.flags |= FLOW_HAS_MAC;
	return bpf_ntohs(ethernet.h_proto);
}

/* The header was a filler. */
static __always_inline void forget_ethernet(struct packet_event *event)
{
	__builtin_memset(event->key.source_mac, 0, ETH_ALEN);
	__builtin_memset(event->key.destination_mac, 0, ETH_ALEN);
	event->key.flags &= ~FLOW_HAS_MAC;
}

static __always_inline void set_vlan(struct packet_event *event, __u16 tci)
{
	if (!(event->key.flags & FLOW_HAS_VLAN)) {
		event->key.vlan_id = tci & VLAN_ID_MASK;
		event->key.flags |= FLOW_HAS_VLAN;
	} else {
		event->key.inner_vlan_id = tci & VLAN_ID_MASK;
		event->key.flags |= FLOW_HAS_INNER_VLAN;
	}
}

static __always_inline bool is_vlan(int ethertype)
{
	/* the last is how QinQ was written before 802.1ad */
	return ethertype == ETH_P_8021Q || ethertype == ETH_P_8021AD || ethertype == ETH_P_QINQ1;
}

/* Follows the tags in the bytes, after one that may have been beside them.
 * Returns the ethertype of what they carry. */
static __always_inline int parse_vlan(struct cursor *cursor, struct packet_event *event,
				      int ethertype)
{
	for (int i = 0; i < VLAN_TAGS_MAX + 1; i++) {
		struct vlan_tag tag;

		if (!is_vlan(ethertype))
			break;
		if (event->key.flags & FLOW_HAS_INNER_VLAN) {
			event->key.ethertype = ethertype;
			return stop(event, PARSE_VLAN_DEPTH);
		}
		if (peek(cursor, &tag, sizeof(tag)))
			return stop(event, PARSE_TRUNCATED);
		cursor->at->offset += sizeof(tag);
		set_vlan(event, bpf_ntohs(tag.tci));
		ethertype = bpf_ntohs(tag.ethertype);
	}
	return ethertype;
}

static __always_inline void set_ipv4(__u8 ip[16], const void *address)
{
	ip[10] = 0xff;
	ip[11] = 0xff;
	__builtin_memcpy(ip + 12, address, 4);
}

static __always_inline int parse_arp(struct cursor *cursor, struct packet_event *event)
{
	struct arp_ipv4 arp;

	if (peek(cursor, &arp, ARP_START_BYTES))
		return stop(event, PARSE_TRUNCATED);
	if ((arp.hardware != bpf_htons(ARPHRD_ETHER) &&
	     arp.hardware != bpf_htons(ARPHRD_IEEE802)) ||
	    arp.protocol != bpf_htons(ETH_P_IP) || arp.hardware_length != ETH_ALEN ||
	    arp.protocol_length != 4)
		return stop(event, PARSE_UNKNOWN_ARP);
	if (peek(cursor, &arp, sizeof(arp)))
		return stop(event, PARSE_TRUNCATED);
	cursor->at->offset += sizeof(arp);
	event->key.network = NETWORK_ARP;
	set_ipv4(event->key.endpoints.source_ip, arp.sender_ip);
	set_ipv4(event->key.endpoints.destination_ip, arp.target_ip);
	return 0;
}

#endif
