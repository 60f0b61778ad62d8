// What every page of an application uses. Functions see the variables of the state that calls them only as arguments.

/** The interaction, or undefined once it is gone. */
function interactionOf(id) {
    var all = _genesys.ixn.interactions;
    return all[id] || undefined;
}

/** A value of the interaction's user data as text; '' where there is none. */
function userDataOf(id, key) {
    var interaction = interactionOf(id);
    if (!interaction || !interaction.udata) {
        return '';
    }
    var value = interaction.udata[key];
    return value === undefined || value === null ? '' : String(value);
}

/** True when the interaction is still here and is no call. */
function isNonVoice(id) {
    var interaction = interactionOf(id);
    return !!interaction && interaction.category != 'voice';
}

/** What a subroutine gave back in its <donedata>. */
function resultOf(event, name) {
    var data = event.data || {};
    if (data.params && data.params[name] !== undefined) {
        return data.params[name];
    }
    return data[name];
}

/** Remembers an event that nothing else handles, at most twenty of them. */
function storeUnhandled(store, event) {
    if (store.indexOf(event) < 0 && store.length < 20) {
        store.push(event);
    }
}

/** Logs an error event with its data. */
function logError(block, event) {
    __Log(block + ': ' + event.name + ' ' + event.data.toSource(), 'error', 2);
}
