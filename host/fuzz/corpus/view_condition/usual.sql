priority > 3 and MediaType = 'email'
  or received_at < current_timestamp - 3600