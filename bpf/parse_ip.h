/* SPDX-License-Identifier: GPL-2.0-only */
/* IPv4, IPv6 and its extension headers. */
#ifndef STREAMER_PARSE_IP_H
#define STREAMER_PARSE_IP_H

#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>

#include "cursor.h"
#include "parse_link.h"

#define EXTENSION_HEADERS_MAX 8

/* The common shape of the IPv6 extension headers that are followed. */
struct extension_header {
	__u8 next;
	__u8 length;
	__be16 fragment; /* fragment header: offset << 3 | more */
	__be32 id;	 /* fragment header */
};

/* Brings the packet's end to where its IP header says, if that is in the frame. */
static __always_inline void set_end(struct cursor *cursor, __u32 end, struct packet_event *event)
{
	if (end > cursor->at->end)
		event->parse |= PARSE_BAD_IP_LENGTH;
	else
		cursor->at->end = end;
}

/* Returns the protocol. */
static __always_inline int parse_ipv4(struct cursor *cursor, struct packet_event *event)
{
	__u32 header_length, total_length;
	struct iphdr ip;
	__u16 fragment;

	if (peek(cursor, &ip, sizeof(ip)))
		return stop(event, PARSE_TRUNCATED);
	header_length = ip.ihl * 4;
	if (ip.version != 4 || header_length < sizeof(ip))
		return stop(event, PARSE_BAD_IP_HEADER);

	event->key.network = NETWORK_IPV4;
	event->key.protocol = ip.protocol;
	set_ipv4(event->key.endpoints.source_ip, &ip.saddr);
	set_ipv4(event->key.endpoints.destination_ip, &ip.daddr);
	event->ttl = ip.ttl;
	event->tos = ip.tos;
	event->ip_id = bpf_ntohs(ip.id);
	event->parse |= PARSE_HAS_IP | PARSE_HAS_ID;
	if (header_length > sizeof(ip))
		event->parse |= PARSE_IP_OPTIONS;
	fragment = bpf_ntohs(ip.frag_off) & (FRAGMENT_MORE | FRAGMENT_OFFSET_MASK);
	if (fragment) {
		event->fragment = fragment;
		event->parse |= PARSE_FRAGMENT;
	}

	/* 0: a super-packet of 64 KiB or more, or one a network card will cut */
	total_length = bpf_ntohs(ip.tot_len);
	if (total_length) {
		if (total_length < header_length)
			return stop(event, PARSE_BAD_IP_LENGTH);
		set_end(cursor, cursor->at->offset + total_length, event);
	}
	skip(cursor, header_length, event);
	return ip.protocol;
}

static __always_inline bool is_extension(int protocol)
{
	return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING ||
	       protocol == IPPROTO_FRAGMENT || protocol == IPPROTO_DSTOPTS ||
	       protocol == IPPROTO_AH;
}

static __always_inline void set_fragment(struct packet_event *event,
					 const struct extension_header *header)
{
	__u16 fragment = bpf_ntohs(header->fragment);

	event->fragment = fragment >> 3 | (fragment & 1 ? FRAGMENT_MORE : 0);
	event->ip_id = bpf_ntohl(header->id);
	event->parse |= PARSE_FRAGMENT | PARSE_HAS_ID;
}

/* Returns the protocol after the extension headers. */
static __always_inline int parse_extensions(struct cursor *cursor, struct packet_event *event,
					    int protocol)
{
	for (int i = 0; i < EXTENSION_HEADERS_MAX; i++) {
		struct extension_header header;
		__u32 size;

		if (!is_extension(protocol))
			return protocol;
		event->parse |= PARSE_IPV6_EXTENSIONS;
		if (peek(cursor, &header, sizeof(header)))
			return stop(event, PARSE_TRUNCATED);

		if (protocol == IPPROTO_FRAGMENT)
			size = sizeof(header);
		else if (protocol == IPPROTO_AH)
			size = (header.length + 2) * 4;
		else
			size = (header.length + 1) * 8;
		if (protocol == IPPROTO_FRAGMENT)
			set_fragment(event, &header);

		protocol = header.next;
		event->key.protocol = protocol;
		skip(cursor, size, event);
		/* what follows in a later fragment is data, whatever its type */
		if (event->fragment & FRAGMENT_OFFSET_MASK)
			return protocol;
	}
	return is_extension(protocol) ? stop(event, PARSE_EXTENSION_DEPTH) : protocol;
}

/* Returns the protocol. */
static __always_inline int parse_ipv6(struct cursor *cursor, struct packet_event *event)
{
	struct ipv6hdr ip;
	__u16 payload_length;

	if (peek(cursor, &ip, sizeof(ip)))
		return stop(event, PARSE_TRUNCATED);
	if (ip.version != 6)
		return stop(event, PARSE_BAD_IP_HEADER);

	event->key.network = NETWORK_IPV6;
	event->key.protocol = ip.nexthdr;
	__builtin_memcpy(event->key.endpoints.source_ip, &ip.saddr, 16);
	__builtin_memcpy(event->key.endpoints.destination_ip, &ip.daddr, 16);
	event->ttl = ip.hop_limit;
	event->tos = ip.priority << 4 | ip.flow_lbl[0] >> 4;
	event->parse |= PARSE_HAS_IP;

	cursor->at->offset += sizeof(ip);
	/* 0: a super-packet of 64 KiB or more, if anything follows at all */
	payload_length = bpf_ntohs(ip.payload_len);
	if (payload_length || ip.nexthdr == IPPROTO_NONE)
		set_end(cursor, cursor->at->offset + payload_length, event);
	return parse_extensions(cursor, event, ip.nexthdr);
}

#endif
