"""What steps and undos share: judgement and looking that is no step by itself. Steps reach it through the api."""
