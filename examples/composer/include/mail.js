// The rules of this application: what an e-mail is about, and who is good at it.

// Complaints first: an angry mail about an invoice is a complaint.
var MAIL_TOPICS = [
    { name: 'Complaints', priority: 20, words: /complain|unacceptable|disappoint|furious|damaged|broken|queja|reclamaci/i },
    { name: 'Billing', priority: 10, words: /invoice|refund|billing|payment|charged|receipt|factura|reembolso/i },
    { name: 'Orders', priority: 5, words: /order|deliver|shipping|shipment|parcel|tracking|pedido|entrega/i }
];

/** What the subject is about; mail about nothing in particular is for whoever takes orders. */
function mailTopic(subject) {
    for (var i = 0; i < MAIL_TOPICS.length; i++) {
        if (MAIL_TOPICS[i].words.test(subject)) {
            return MAIL_TOPICS[i];
        }
    }
    return { name: 'Orders', priority: 0, words: null };
}

/** True for mail that a machine wrote, or that somebody's mail server calls spam. */
function isJunkMail(id) {
    var submitted = userDataOf(id, 'Header_Auto-Submitted').toLowerCase();
    var precedence = userDataOf(id, 'Header_Precedence').toLowerCase();
    var spam = userDataOf(id, 'Header_X-Spam-Flag').toLowerCase();
    return (submitted !== '' && submitted !== 'no') || precedence === 'bulk' || precedence === 'junk' || spam === 'yes';
}

/** The target string of people who are good at a topic. */
function expertsOf(topic) {
    return '?:' + topic + '>=5@.GA';
}

/** The target string of the agent group of a topic. */
function groupOf(topic) {
    return topic + '@.GA';
}
