package mail_test

import (
	"strings"
	"testing"

	"listd/mail"
)

// refusals are what servers say, each with its class.
const refusals = `
no_user: 550 5.1.1 The email account that you tried to reach does not exist. Please try double-checking the recipient's email address for typos
no_user: 550 5.2.1 The email account that you tried to reach is inactive. Learn more at https://support.example/mail/?p=DisabledUser
no_user: 550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302)
no_user: 554 delivery error: dd This user doesn't have a provider.example account (bob@provider.example) [0] - mta1
no_user: 554 30 Sorry, your message to bob@provider.example cannot be delivered. This mailbox is disabled (554.30)
no_user: 550 5.1.1 <bob@example.org>: Recipient address rejected: provider.example
no_user: 550-Requested action not taken: mailbox unavailable
no_user: 550 #5.1.0 Address rejected bob@example.org unknown recipient
no_user: 550 Invalid Recipient - https://community.mimecast.example/docs/DOC-1369#550
no_user: 550 5.1.1 unknown or illegal alias: bob@example.org
no_user: 550 No such user (bob@example.org) -ERR bob@example.org not found
no_user: 550 5.7.1 No such user!; 1715-abc
no_user: 550 Unrouteable address
no_user: 551 5.1.6 The recipient has moved, please try carl@example.org
no_user: 550 bob@example.org: user is not local
no_user: 553 sorry, that domain isn't allowed to be relayed thru this MTA; no such user here
no_user: 550 5.1.1 Account suspended
no_user: 554 5.7.1 This email account has been suspended; the user account is locked
no_user: 450 4.1.1 <bob@example.org>: Recipient address rejected: unverified address: host mx said: 550 User unknown
no_user: 550 5.1.1 sorry, no mailbox here by that name (#5.1.1 - chkusr)
no_user: 511 sorry, no mailbox here by that name (#5.1.1 - chkuser)
no_user: 550 Addresses failed: bob@example.org: invalid address
no_user: 5.1.0 - Unknown address error 550-'Unknown user'
no_user: 550 RCPT TO:<bob@example.org> User unknown
no_user: 501 5.1.3 Bad recipient address syntax
no_user: smtp; 550 5.1.1 RESOLVER.ADR.ExRecipNotFound; not found
no_user: 550 Mailbox not found or access denied
no_user: 550 User not found: bob@example.org
no_user: 550 Utilisateur inconnu
no_user: 550 Adresse d'au moins un destinataire invalide. Invalid recipient. OFR_416 [416]
no_user: 550 Empfaenger unbekannt / recipient unknown
no_user: 550 Mail is rejected by recipients: user does not exist
no_user: 550 User suspended
no_user: 550 The mail you sent was rejected because the account is dormant
no_user: 550 is not a valid mailbox
no_host: 550 5.1.2 <bob@nosuch.example>: Recipient address rejected: Domain not found
no_host: Host or domain name not found. Name service error for name=nosuch.example type=MX: Host not found
no_host: 550 5.4.4 Invalid domain name
no_host: 550 Host unknown
no_host: 5.1.2 - Bad destination host 'DNS Hard Error looking up nosuch.example (MX): NXDomain'
no_host: 556 5.1.10 Domain does not accept mail (null MX)
no_host: Domain nosuch.example does not accept mail (nullMX)
no_host: DNS Error: 1715 DNS type 'mx' lookup of nosuch.example responded with code NXDOMAIN Domain name not found: nosuch.example
no_host: 554 5.4.4 SMTPSEND.DNS.NonExistentDomain; nonexistent domain
no_host: Illegal host/domain name found
no_host: unrouteable mail domain "nosuch.example"
full: 552 5.2.2 The email account that you tried to reach is over quota and inactive
full: 452 4.2.2 Mailbox full
full: 552-5.2.2 The recipient's inbox is out of storage space and inactive
full: 452-4.2.2 The recipient's inbox is out of storage space.
full: 554 5.2.2 mailbox full; 0.0.0.0 STOREDRV
full: 550 Requested mail action aborted: exceeded storage allocation
full: 552 Mailbox limit exceeded for this email address
full: 550 User bob@example.org is over the quota
full: 422 The recipient's mailbox is over its storage limit
full: 450 4.2.2 <bob@example.org>: user is overquota
full: 552 RCPT TO:<bob@example.org> Mailbox disk quota exceeded
full: 554 bob@example.org: mailbox over limit, cannot accept
full: 550 5.7.1 bob@example.org's mailbox is full (mailbox size: 1000)
full: 552 Message would exceed quota for <bob@example.org>
full: maildrop: maildir over quota.
full: 552 5.2.2 Boite du destinataire pleine. Recipient overquota. OFR_417 [417]
full: 550-Mailbox is full / Blocks limit exceeded / Inode limit exceeded
policy: 554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using bl.spamcop.net; Blocked
policy: 550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3140)
policy: 421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints - 4.16.55.1
policy: 421 RP-001 The mail server IP connecting to provider.example server has exceeded the rate limit allowed
policy: 554 IB103 192.0.2.1 Connection refused. 192.0.2.1 has a poor reputation on Cloudmark Sender Intelligence
policy: 550 5.7.1 Recipient not authorized, your IP has been found on a block list
policy: 550 Access denied - Invalid HELO name (See RFC2821 4.1.1.1)
policy: 450 4.7.25 Client host rejected: cannot find your hostname, [192.0.2.1]
policy: 550-5.7.25 The IP address sending this message does not have a PTR record setup
policy: 421-4.7.28 Our system has detected an unusual rate of unsolicited mail originating from your IP address
policy: 450 4.7.1 Greylisted, try again in 300 seconds
policy: 452 4.5.3 Too many recipients
policy: 550 5.7.1 Your email was rejected because the sending mail server does not identify itself correctly
policy: 554 5.7.1 <dev@lists.example.net>: Sender address rejected: Access denied
policy: 550 5.1.8 Sender address rejected: Domain not found
policy: 550 Administrative prohibition
policy: 550 5.7.1 Message rejected due to local policy
policy: 554 Blocked - see https://support.proofpoint.example/dnsbl-lookup.cgi?ip=192.0.2.1
policy: 550 5.7.124 You do not have permission to send to this group
policy: 550 5.7.1 TRANSPORT.RULES.RejectMessage; the message was rejected by organization policy
policy: 554 5.4.6 Your host is listed in our DNSBL
policy: 550 Sender verify failed
policy: 554 5.7.1 Rejected by header based blocklist
spam: 550-5.7.1 Our system has detected that this message is likely suspicious... likely unsolicited mail
spam: 550 High probability of spam
spam: 554 5.7.1 Message rejected as spam by Content Filtering.
spam: 550 5.7.1 Message contains spam or virus; spam score 12.1
spam: 554 rejected due to spam content
spam: 554 5.7.1 [P4] Message blocked due to spam content in the message.
spam: 550 This message was classified as SPAM and may not be delivered
spam: 571 5.7.1 Message contains spam. Spam message rejected
spam: 550 permanent failure for one or more recipients (bob@example.org:blocked) - spam: yes
spam: 554 Transaction failed : Cannot send message due to possible spam
spam: 554 5.7.1 The message from (<ann@example.net>) with the subject of (x) matches a profile the Internet community may consider spam.
spam: 550 5.7.350 Remote server returned message detected as spam -> 554 rejected
spam: 550 Blocked by our bulk email filter
auth: 550-5.7.26 This mail has been blocked because the sender is unauthenticated. Provider requires all senders to authenticate with either SPF or DKIM.
auth: 550 5.7.1 Email rejected per DMARC policy for example.net
auth: 550 5.7.23 The message was rejected because of Sender Policy Framework violation
auth: 550 5.7.1 SPF unauthorized mail is prohibited.
auth: 554 5.7.5 Permanent Error Evaluating DMARC policy
auth: 550 5.7.515 Access denied, sending domain example.net doesn't meet the required authentication level
auth: 554 DMARC validation failed
auth: 550 5.7.20 No DKIM signature passed
auth: 530 5.7.0 Authentication required
auth: 535 5.7.8 Username and Password not accepted
auth: 550 Message rejected: SPF Fail
content: 552 5.7.0 This message was blocked because its content presents a potential security issue
content: 550 5.7.1 virus detected: Eicar-Test-Signature
content: 554 5.6.0 Message contains NUL characters
content: 554 5.6.1 Eight bit data not permitted
content: 550 5.6.11 SMTPSEND.BareLinefeedsAreIllegal; message contains bare linefeeds
content: 550 Banned attachment type (.exe)
content: 553 5.6.7 SMTPUTF8 is required, but was not offered by host
content: 550-5.7.1 Messages missing a valid address in From: header, or having no From: header, are not accepted
size: 552 5.3.4 Message size exceeds fixed maximum message size
size: 552-5.3.4 Your message exceeded Provider's message size limits
size: 550 5.2.3 RESOLVER.RST.RecipSizeLimit; message too large for this recipient
size: 552 Message too large
size: 552 size limit exceeded
size: 523 the message's size exceeds the recipient's size limit
size: 554 5.3.4 Error: message file too big
relay: 550 5.7.1 Unable to relay for bob@example.org
relay: 554 5.7.1 <bob@example.org>: Relay access denied
relay: 550 relay not permitted
relay: 553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)
relay: 550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain
relay: 551 we do not relay
relay: 550 5.7.64 TenantAttribution; Relay Access Denied
network: connect to mx.example.org[192.0.2.9]:25: Connection refused
network: connect to mx.example.org[192.0.2.9]:25: No route to host
network: lost connection with mx.example.org[192.0.2.9] while sending RCPT TO
network: 554 5.4.6 Too many hops
network: 550 4.4.7 QUEUE.Expired; message expired
network: 451 4.3.0 Temporary lookup failure
network: 452 4.3.1 Insufficient system resources
network: 421 4.3.2 Service not available, closing transmission channel
network: mail for example.org loops back to myself
network: retry timeout exceeded
network: all hosts for 'example.org' have been failing for a long time
network: 554 5.4.7 [internal] exceeded max time without delivery
network: delivery temporarily suspended: conversation with mx.example.org timed out while receiving the initial server greeting
network: 451 4.4.0 DNS query failed
network: 432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded
no_user: 550 5.1.1 <bob@example.org>... User unknown
no_user: 550 Unknown user bob
no_user: 550 unknown recipient
no_user: 550 5.1.1 bob@example.org is not a valid mailbox
no_user: 553 5.3.0 <bob@example.org>... No such user
no_user: 550 No Such User Here
no_user: 550 that user does not have an account here
no_user: 550 This user doesn't have a provider.example account
no_user: 550 Sorry, no mailbox here by that name
no_user: 554 Recipient address is not valid
no_user: 550 5.1.0 Address rejected, user does not exist
no_user: 550 <bob@example.org>: Account is not active
no_user: 550 Account not available
no_user: 550 5.1.1 RCP-P1 http://postmaster.provider.example/response_codes Recipient unknown
no_user: 550 Account disabled
no_user: 550 extended absence, inactive mailbox
no_user: 525 5.7.13 Disabled recipient address
no_user: 554 5.7.1 Account inactive as unread
no_user: 550 mailbox currently suspended
no_user: 550 The email account is temporarily locked
no_user: 550 mailbox is frozen
no_user: 550 Recipient suspend the service
no_user: 550 user account is expired
no_user: 550 User is inactive
no_user: 554 5.2.1 account closed
no_user: 550 5.2.1 Mailbox has been disabled
no_user: 550 This account has been disabled or discontinued [#101]
no_user: 550 Invalid recipient <bob@example.org> (#5.1.1)
no_user: 550 5.1.3 Invalid address
no_user: 550 5.1.1 Email address could not be found, or was misspelled
no_user: 550 Requested action not taken: no such user
no_user: 550 <bob@example.org> has been replaced by bob@example.com
no_user: 550 RCPT <bob@example.org>: address unknown
no_user: 550 not our customer
no_user: 550 5.1.1 Mailaddress is administratively disabled
no_user: 550 bob@example.org Delivery to this address is restricted; user has moved
no_user: 550 sorry, user not found
no_user: 550 Addressee unknown
no_user: 550 5.1.1 bogus address
no_user: 550 There is no such account
no_user: 554 5.1.1 Unknown address
no_user: 550 no valid recipients
no_user: 550 cannot find this user
no_user: 550 Not a valid recipient
no_user: 550 5.1.1 No user with that name
no_user: 550 The recipient cannot be verified. Please check all recipients of this message to verify they are valid
no_user: 550 The user you are trying to contact does not exist
no_user: 550 Unknown local-part "bob" in <bob@example.org>
no_user: 550 Unknown local part bob in <bob@example.org>
no_user: 550 No mailbox by that name is currently available
no_user: 550 bob@example.org... it's not in our directory
no_user: 550 User (bob@example.org) unknown
no_user: 550 recipient no longer on server: bob@example.org
no_user: 550 is no longer with the company
no_user: 554 qmail-send: unknown user
no_user: 550 address does not exist
no_user: 550 delivery failed: mailbox is no longer active
no_user: 550 550 Recipient Rejected: No account by that name here
no_user: 551 not our user
no_user: 550 5.7.1 Recipient deactivated
no_user: 550 this address no longer accepts mail
no_user: 550 Email address is not available anymore
no_user: Name not found in address book
no_user: 550 This email address is no longer in use
no_user: User bob@example.org not listed in public Name & Address Book
no_user: 550 Der Empfänger existiert nicht
no_user: 550 5.1.1 Ce compte n'existe pas
no_user: 550 sorry, this recipient is in our blacklist of closed accounts: mailbox closed
no_user: vdelivermail: account is locked email bounced
no_user: 550 The recipient's mailbox is disabled
no_user: 554 5.1.1 unknown user account
no_user: 550 local user only
no_user: 550 this mailbox is unmonitored and was deleted
no_user: 550 The email address you entered couldn't be found. Please check the recipient's email address and try to resend the message
no_user: 550 user doesn't exist
no_user: 550 Invalid mailbox
no_user: 550 invalid user
no_user: 550 5.1.1 Adresse inconnue
no_user: 550 unknown account
no_user: 5.1.10 ADR.RecipientNotFound; Recipient bob@example.org not found by SMTP address lookup
no_user: 550 5.0.350 Remote server returned an error -> 550 No such recipient
no_host: 550 Unroutable domain
no_host: 550 5.1.2 Bad destination system address
no_host: 550 Domain does not exist; please check your spelling
no_host: 550 domain is not reachable: host unknown
no_host: 553 5.1.2 Unable to find a route to the recipient domain
no_host: Host not found
no_host: 550 5.1.2 Host unknown (Name server: nosuch.example: host not found)
no_host: 550 domain name not found
no_host: 550 recipient domain must exist
no_host: Name or service not known
no_host: no such domain
no_host: The domain name in the address does not exist
no_host: 550 5.4.310 DNS domain nosuch.example does not exist
no_host: 554 5.7.1 Host or domain name not found. Name service error for name=nosuch.example type=A: Host not found
no_host: 521 mx.example.org does not accept mail
no_host: Unable to resolve hostname nosuch.example
no_host: no MX record was found for nosuch.example
no_host: 550 no mail hosts for domain
no_host: all relevant MX records point to non-existent hosts
no_host: an MX or SRV record indicated no SMTP service
no_host: unrouteable address: nosuch.example has no A record (and no MX record)
full: 452 4.2.2 user is over quota
full: 552 5.2.2 user over quota
full: 550 mailbox is full: over quota
full: 452 Insufficient space for user's mailbox
full: 552 Mailbox has exceeded the limit
full: 550 5.2.2 Over quota
full: 422 Recipient's mailbox is full
full: 550 account is full
full: 550 account is over quota
full: 552 mailbox size limit exceeded
full: 554 5.2.2 mailfolder is full
full: Disk quota exceeded
full: Not enough storage space in user's mailbox
full: recipient reached disk quota
full: 552 5.7.0 Not enough disk space in the account
full: 552 5.2.2 This message is larger than the current mailbox free space
full: 550 would be over the allowed quota
full: maildir delivery failed: userdisk quota
full: user has exhausted allowed storage space
full: user's disk quota has been exceeded
full: 550 Benutzer hat zuviele Mails auf dem Server
full: 550 Mailbox voll
full: too much mail data stored by the user
full: 552 Space shortage, please try later: the mailbox has exhausted its space
full: 552 recipient storage full
full: Boîte aux lettres pleine
full: 452 4.1.1 mailbox full
full: 552 4.2.2 The email account that you tried to reach is over quota.
full: 550 Message rejected: the mailbox of the recipient has reached the maximum number of messages
full: 552 Quota violation for bob@example.org
full: user is currently over their quota
policy: 550 5.7.1 Your IP has been blocked
policy: 554 Your IP (192.0.2.1) is on a blocklist
policy: 421 4.7.0 [192.0.2.1] Our system has detected an unusual rate of mail originating from your IP address
policy: 550 rejected because 192.0.2.1 is in a black list at zen.spamhaus.org
policy: 554 5.7.1 Rejected - see http://sorbs.example
policy: 550 IP blacklisted by recipient
policy: 450 4.7.1 client IP address mismatch with HELO
policy: 550 No PTR record found
policy: 550 Fix reverse DNS for 192.0.2.1
policy: 421 Too many connections from your IP
policy: 421 4.7.1 Intrusion prevention active for [192.0.2.1]
policy: 421 4.7.0 Try again later, closing connection. Rate limited
policy: 450 4.2.1 The user you are trying to contact is receiving mail too quickly. Please resend your message at a later time
policy: 451 4.7.1 Please try again later (greylisting in effect)
policy: 451 Temporarily deferred, greylist
policy: 450 Client is greylisted
policy: 421 4.4.5 Too many messages in this session
policy: 452 4.3.1 Sender rate limit exceeded
policy: 550 5.1.8 Access denied, bad outbound sender
policy: 553 5.1.8 Domain of sender address ann@example.net does not exist
policy: 501 5.1.8 Sender address rejected
policy: 550 Sender rejected
policy: 550 <ann@example.net>: Sender address rejected: undeliverable address
policy: 554 5.7.1 You are not allowed to connect
policy: 550 5.7.1 Connection refused by policy
policy: 554 Denied by policy
policy: 550 5.7.1 You are not authorized to send mail to this address: only members
policy: 550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required; Delivery restriction check failed because the sender was not authenticated when sending to this group
policy: 550 5.7.1 RESOLVER.RST.AuthRequired; authentication required
policy: 550 mail server permanently rejected message (#5.3.0) by local rule
policy: 554 5.7.1 Email cannot be delivered. Reason: Email detected as coming from a listed IP
policy: 550 Your mail server's reputation is bad
policy: 571 Email from 192.0.2.1 is currently blocked by provider
policy: 554 RLY:B1
policy: 421 mx.provider.example Service unavailable - try again later: DYN:T1
policy: 550 5.7.606 Access denied, banned sending IP [192.0.2.1]
policy: 550 Message was blocked by recipient's rules
policy: 550 Mail refused by user's preferences
policy: 550 User does not wish to receive mail from you
policy: 451 4.7.500 Server busy. Please try again later from [192.0.2.1]
policy: 550 permission denied
policy: 553 mail rejected because your IP is in the PBL
policy: 550 Dynamic IP not allowed
policy: 554 Bad DNS PTR resource record
policy: 550 Domain example.net is in blacklist
policy: 421 Reject due to domain restrictions
policy: 550 Blocked by user
spam: 550 5.7.1 Message rejected due to content: looks like spam
spam: 554 5.7.1 This message has been blocked because it contains SPAM
spam: 550 5.2.1 message content rejected
spam: 552 Spam message rejected
spam: 550 spam mail not accepted
spam: 554 5.7.1 SPAM. Rejected by SpamAssassin
spam: 571 5.7.1 Message refused by DCC bulk check
spam: 550 Our spam filter has rejected your message
spam: 550 The message was rejected as it contains a URL listed as used by spammers
spam: 550 mail is considered to be spam
spam: 554 5.7.0 Reject, id=1 - SPAM
spam: 550 5.7.1 Mail appears to be unsolicited
spam: 550 Appears to be SPAM
spam: 553 Mail refused - Probable Spam
spam: 554 Message not accepted for policy reasons: high spam score
spam: 550 Identified SPAM
spam: 554 5.7.1 Blocked by SpamAssassin
spam: 550 This message scored 11.9 spam points
spam: message filtered as spam
spam: 550 5.7.1 rejected by spam firewall
spam: 550 we do not want any junk mail
auth: 550 5.7.1 Message rejected: DMARC policy
auth: 550 5.7.1 rejected by DMARC policy for example.net
auth: 550 Not accepted by DMARC: p=reject
auth: 550 DMARC check failed
auth: 554 5.7.1 Email rejected due to DMARC
auth: 550 5.7.0 From header is not aligned; DMARC quarantine
auth: 550 5.7.1 SPF: 192.0.2.1 is not allowed to send mail from example.net
auth: 550 SPF Sender Invalid - envelope rejected
auth: 550 5.7.1 sender SPF record does not permit
auth: 550 5.7.26 Gmail requires all senders to authenticate
auth: 550 5.7.509 Access denied, sending domain example.net does not pass DMARC verification and has a DMARC policy of reject
auth: 550 5.7.30 Gmail requires all bulk senders to use DKIM
auth: 421 4.7.30 rate limited because DKIM authentication did not pass
auth: 550 Unauthenticated sender
auth: 530 5.7.1 Authentication required
auth: 550 DKIM signature did not verify
auth: 554 5.7.7 Email policy violation detected: DKIM
auth: 550 Message failed authentication checks
auth: 554 5.7.1 Sender authentication failed
content: 550 5.7.1 Your message was found to contain a virus
content: 554 Infected with Worm.Mydoom
content: 552 5.7.0 Our system detected an illegal attachment on your message
content: 550 Executable attachment is not allowed
content: 554 5.6.2 Message contains bare CR
content: 550 Header syntax error
content: 550 Your message has too many MIME parts
content: 554 5.6.0 Corrupt message content
content: 550 5.6.0 Invalid message content
content: 550 RFC 5322 violation: missing Date header
content: 550 5.7.1 Headers do not comply with RFC 5322: multiple To headers
content: 500 Line too long
content: 550 message contains a blocked file
content: 550 Message is not RFC 2822 compliant
content: 554 5.6.3 Conversion required but not supported
size: 552 5.3.4 message is too big for system
size: 552 Message exceeds maximum size
size: 552 5.2.3 Message length exceeds administrative limit
size: 554 message too large
size: 552 5.3.4 max message size exceeded
size: 550 sorry, that message size exceeds my databytes limit (#5.3.4)
size: 550 Message size larger than limit
size: 5.2.3 the message exceeds the maximum size for this mailbox
size: message file is too big
size: 523 5.2.3 RecipSizeLimit
relay: 550 Relaying denied
relay: 554 Relay denied
relay: 550 5.7.1 Relaying not allowed
relay: 550 Relaying is prohibited
relay: 550 not relaying for that domain
relay: 553 we don't relay
relay: 550 Insecure mail relay
relay: 550 we do not relay mail for you
relay: 550-mx.example.org is not permitted to relay through this server without authentication
relay: 554 5.7.1 local relaying denied
relay: 550 Domain not hosted here: relaying denied
relay: 551 This mail server requires relaying permission: no relaying
network: 451 4.4.1 Connection timed out
network: 421 4.4.2 Connection dropped
network: 550 5.4.6 routing loop detected
network: 554 Too many hops
network: delivery time expired
network: 4.4.7 message delayed; retry time not reached for any host after a long failure period
network: 451 4.3.2 Please try again later
network: 451 Temporary local problem - please try later
network: 452 4.3.1 Out of disk space for temp file
network: 452 Insufficient system storage
network: 431 4.3.1 Insufficient disk space on server
network: 550 System is not accepting mail
network: TLS handshake failed
network: 454 4.7.0 TLS not available due to local problem
network: Connection refused
network: network is unreachable
network: could not be delivered for too long: unable to connect
network: 421 service shutting down
network: host mx.example.org not responding
network: message expired: not delivered within 5 days
network: 4.7.5 Server certificate not trusted
network: 554 5.3.0 mail system config error: mail loops back to me (MX problem?)
network: 554 5.3.5 Local configuration error
network: 451 4.3.5 Server configuration error
network: Input/output error
network: 554 Delivery error: too many loops
policy: 421 4.7.1 [TS03] All messages from 192.0.2.1 will be permanently deferred; Retrying will NOT succeed.
policy: 554-provider.example Nemesis ESMTP Service not available 554-No SMTP service 554-Bad DNS PTR resource record.
no_user: 550 #5.1.0 Address rejected.
network: 4.3.0 mail transport unavailable
network: 4.7.5 Server certificate not verified
no_user: 550 5.1.1 <bob@example.org>: Email address could not be found, or was misspelled (S8)
no_user: 550 5.2.1 Mailbox unavailable for this recipient: deactivated mailbox
no_user: 550 RESOLVER.ADR.InvalidInSmtp: address syntax
no_user: 550 5.1.351 Remote server returned unknown recipient or mailbox unavailable
no_user: 550 The account has been suspended for abuse
no_user: 550 No such domain user: bob
no_user: 550 5.1.1 Not our Customer
no_user: 554 bob@example.org Recipient not found. (Mode: normal)
no_user: 550 5.1.1 Recipient address rejected: User email address is marked as invalid
no_user: 551 User not local; please try <bob@example.com>
no_user: 550 cuda_nsu User unknown
no_user: 550 Verification failed for recipient: no such person at this address
no_user: 550 email address lookup in domain failed
no_user: 550 5.2.0 mailbox is inactive
no_user: 550 User mail account disabled for receiving
no_user: 554 account temporarily disabled for non-use
no_user: 550 Mailbox is inactive
no_user: 550 Kullanici bulunamadi: user unknown
no_user: 550 non-existent mailbox
no_user: 550 mailbox does not exist here
no_user: 550 Recipient address rejected: undeliverable address: unknown user
no_user: 550 5.1.1 The recipient is not a valid Exchange recipient
no_user: 550 Recipient unknown or disabled
no_user: 553 5.1.1 the address was not found
no_user: 550 relay not needed: no such mailbox
full: 550 5.2.2 STOREDRV.Deliver: mailbox full. The recipient's mailbox can't accept messages now
full: 552 5.2.2 mailbox quota reached
full: 451 4.2.2 storage quota exceeded for user
full: 552 Requested mail action aborted: storage allocation exceeded
full: 452 4.2.2 The email account is over quota. Please direct the recipient
full: 554 Mailbox is full: bob@example.org
full: 552 Insufficient mailbox storage
full: 550 The user has too many messages on the server
full: 450 user is out of space
full: 5.2.2 El buzón está lleno
full: 552 5.2.2 Das Postfach ist voll
full: 552 Boite pleine
full: 552 Casella piena
full: 容量超過: メールボックスの容量
spam: 550 5.7.1 Your message was rejected because it was identified as unsolicited bulk email
spam: 554 5.7.1 Message scored too high on spam scale
spam: 550 SC-001 Mail rejected by provider for policy reasons. The mail contains spam-like content
spam: 550 OU-001 mail rejected: content of the mail resembles spam
spam: 550 5.7.1 URL in message is listed: spam url
spam: 550 Message was identified as SPAM; if this is a mistake contact us
spam: 452 4.7.1 message looks like SPAM to me
policy: 550 5.7.1 Sender IP 192.0.2.1 is on RBL
policy: 550 SC-002 Mail rejected: your IP address has exhibited namespace mining behavior
policy: 421 4.7.66 TLS required
policy: 550 5.7.1 Client host [192.0.2.1] blocked, sender score too low
policy: 451 4.7.651 The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation
policy: 550 5.7.750 Service unavailable. Client blocked from sending from unregistered domains
policy: 450 4.7.1 You've exceeded your sending limit to this domain
policy: 421 4.7.0 Too many messages from your IP, slow down
policy: 450 4.7.1 Sender throttled
policy: 554 5.7.1 Recipient address rejected: Message blocked by recipient's block list
policy: 550 You are not allowed to send mail to this list
policy: 550 only authenticated internal senders may write to this group: access restricted
policy: 553 sorry, your envelope sender is in my badmailfrom list (#5.7.1)
policy: 550 HELO should be a FQDN
policy: 554 5.7.1 The sender's address was blocked by recipient
policy: 450 4.1.8 Sender address rejected: Domain not found
policy: 550-Verification failed for <ann@example.net> Sender verify failed
policy: 451 You have been greylisted
auth: 550 5.7.1 DMARC fail p=reject
auth: 550 5.7.1 Message does not meet DMARC requirements
auth: 550-5.7.1 SPF check: sender not permitted
auth: 550 5.7.27 SPF did not pass
auth: 421-4.7.27 Your email has been rate limited because SPF authentication didn't pass
auth: 535 Authentication credentials invalid
auth: 550 5.7.32 From: header isn't aligned with either the authenticated SPF or DKIM organizational domain
auth: 550 5.7.0 message unauthenticated
content: 550 5.7.0 Local policy: attachment type .zip not allowed
content: 554 5.7.1 virus Eicar found, message rejected
content: 554 ClamAV: Win.Test.EICAR FOUND
content: 552 5.6.0 headers too large
content: 550 5.7.1 Message rejected: malformed From header
content: 550 Maximum line length exceeded
content: 550 5.6.0 M2MCVT.StorageError.Exception; content conversion failed
content: 550 Message has duplicate Subject header
size: 552 5.3.4 Message too big for this host
size: 552 Message size exceeds file system imposed limit
size: 550 5.3.4 ROUTING.SizeLimit; message size exceeds fixed maximum size for route
size: 552 Maximum message size of 10 MB exceeded
relay: 550 5.7.1 Command rejected: relay not permitted
relay: 554 5.7.1 Relaying denied. IP name lookup failed
relay: 551 relaying denied
relay: 550 5.7.367 Remote server returned not permitted to relay
network: 421 4.4.1 mx.example.org: no route
network: 4.4.316 connection refused
network: 554 5.4.0 Error: too many hops
network: 450 4.3.2 Service currently unavailable
network: 421 4.4.2 Timed out while waiting for reply to QUIT
network: 442 5.4.3 routing server failure
network: host unreachable for 5 days
network: 451 4.4.3 temporary DNS server failure
network: 471 cannot connect to content scanner: connection timed out
network: 451 4.3.0 internal processing error
network: 451 4.3.2 Storage is not available, please try again
network: 451 Resources temporarily not available
no_host: 550 5.1.2 We weren't able to find the recipient domain
no_host: 550 No MX for domain nosuch.example
no_host: 5.4.310 DNS domain does not exist
no_host: Domain nosuch.example doesn't exist (NXDOMAIN)
no_host: the recipient domain could not be resolved
unknown: 550 Requested action not taken
unknown: 554 5.0.0 Transaction failed
unknown: 550 Rejected by mail system
`

func TestClassifyWords(t *testing.T) {
	t.Parallel()
	for line := range strings.Lines(refusals) {
		want, text, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok {
			continue
		}
		if _, got := mail.Classify(0, "", text); got.String() != want {
			t.Errorf("%v, want %s: %s", got, want, text)
		}
	}
}
