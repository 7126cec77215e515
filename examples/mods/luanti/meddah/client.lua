-- A small Meddah client over Luanti's HTTP API; it knows nothing about NPCs, so other mods can use it.
-- The API gives one callback per request and nothing before it, and only a few requests run at once.
-- Hence one queue for commands, sent as a list, and ONE long poll for the events of all characters.
-- A request that timed out may have been taken all the same: everything is sent again with the same
-- req_id, and Meddah answers each only once.

local json = ...

local Client = {}
Client.__index = Client

local WAIT_S = 2              -- how long Meddah may hold a poll open
local POLL_TIMEOUT_S = 8
local COMMAND_TIMEOUT_S = 6   -- commands are accepted at once, or something is wrong
local OPEN_TIMEOUT_S = 10
local BACKOFF_S_MAX = 5         -- asking a port of this computer costs nothing
local QUEUE_MAX = 64
local BATCH_MAX = 16
local ATTEMPTS_MAX = 8
local ANSWER_S_MAX = 300      -- a slow PC may think long; past this nobody waits any more
local CLOSE_US_MAX = 400000

-- `options`: url, token, hello (table), on_event(event), on_state(state, error), on_refused(command, error).
-- States: "closed", "opening", "open", "waiting" (not reachable, tries again by itself).
function Client.new(http, options)
	return setmetatable({
		http = http,
		url = options.url:gsub("/+$", ""),
		token = options.token,
		hello = options.hello,
		on_event = options.on_event,
		on_state = options.on_state,
		on_refused = options.on_refused,
		state = "closed",
		-- Callbacks of an earlier session compare this and do nothing.
		generation = 0,
		queue = {},
		unanswered = {},
		failures = { open = 0, poll = 0, send = 0 },
		batch_max = BATCH_MAX,
		request_count = 0,
		sent_count = 0,
		-- Ids stay unique when the server starts again within a session that Meddah still keeps.
		id_prefix = ("lt%x-%x-"):format(os.time(), math.random(0, 0xffff)),
	}, Client)
end

local function backoff_s(failure_count)
	return math.min(2 ^ math.max(failure_count - 1, 0), BACKOFF_S_MAX)
end

-- The body, or nil and an error {code, message, help, retryable}. Meddah says everything in the body.
local function read(result)
	local body = json.decode(result.data)
	if body and type(body.error) == "table" then
		return nil, body.error
	elseif body and result.succeeded then
		return body
	elseif result.timeout then
		return nil, { code = "timeout", message = "no answer in time", retryable = true }
	elseif result.code == 0 or not result.code then
		return nil, { code = "unreachable", message = "nothing listens there", retryable = true }
	end
	return nil, {
		code = "not_meddah", message = "answer without meaning, HTTP status " .. result.code,
		help = "Is something else listening at this address?", retryable = true,
	}
end

local function session_lost(err)
	return err.code == "unknown_session" or err.code == "cursor_expired"
end

function Client:fetch(method, path, body, timeout_s, done)
	local headers = { "Content-Type: application/json" }
	if self.token and self.token ~= "" then
		headers[2] = "Authorization: Bearer " .. self.token
	end
	local generation = self.generation
	self.http.fetch({
		url = self.url .. path,
		method = method,
		data = body and json.encode(body),
		timeout = timeout_s,
		extra_headers = headers,
	}, function(result)
		if generation == self.generation then
			done(read(result))
		end
	end)
end

function Client:set_state(state, err)
	self.state = state
	self.on_state(state, err)
end

-- Runs `method` later, unless the session has changed by then.
function Client:later(delay_s, method)
	local generation = self.generation
	minetest.after(delay_s, function()
		if generation == self.generation then
			self[method](self)
		end
	end)
end

function Client:next_id()
	self.request_count = self.request_count + 1
	return self.id_prefix .. self.request_count
end

-- Opens a session, or a new one in place of one that was lost.
function Client:open()
	self.generation = self.generation + 1
	self.session, self.sending = nil, false
	self:set_state("opening")
	self:fetch("POST", "/v1/sessions", self.hello, OPEN_TIMEOUT_S, function(body, err)
		if not body or type(body.session) ~= "string" then
			self.failures.open = self.failures.open + 1
			self:set_state("waiting", err or { code = "not_meddah", message = "no session in the answer" })
			self:later(backoff_s(self.failures.open), "open")
			return
		end
		self.session, self.cursor = body.session, tonumber(body.cursor) or 0
		self.failures = { open = 0, poll = 0, send = 0 }
		self:ask_again()
		self:set_state("open")
		self:poll()
		self:flush()
	end)
end

-- What the lost session had accepted and not begun to answer is asked again in the new one.
function Client:ask_again()
	local queued = {}
	for _, command in ipairs(self.queue) do
		queued[command] = true
	end
	local again = {}
	for req_id, waiting in pairs(self.unanswered) do
		if waiting.begun then
			self.unanswered[req_id] = nil
		elseif not queued[waiting.command] then
			again[#again + 1] = waiting.command
		end
	end
	for _, command in ipairs(self.queue) do
		-- Calls of the lost session mean nothing to the new one.
		if command.type ~= "action_result" then
			again[#again + 1] = command
		end
	end
	self.queue = again
end

-- Queues one command. False: too much is waiting already.
function Client:send(command)
	if self.state == "closed" or #self.queue >= QUEUE_MAX then
		return false
	end
	self.queue[#self.queue + 1] = command
	if command.type == "say" or (command.type == "event" and command.react) then
		self.unanswered[command.req_id] = { command = command, since_us = minetest.get_us_time() }
	end
	self:flush()
	return true
end

function Client:refuse(command, err)
	if command.req_id then
		self.unanswered[command.req_id] = nil
	end
	self.on_refused(command, err)
end

function Client:flush()
	if self.sending or self.state ~= "open" or #self.queue == 0 then
		return
	end
	local batch = json.list()
	for i = 1, math.min(#self.queue, self.batch_max) do
		batch[i] = self.queue[i]
	end
	self.sending = true
	self:fetch("POST", "/v1/sessions/" .. self.session .. "/commands", batch, COMMAND_TIMEOUT_S, function(body, err)
		self.sending = false
		if body then
			self:drop_front(#batch)
			self.failures.send, self.batch_max = 0, BATCH_MAX
			self.sent_count = self.sent_count + #batch
			self:flush()
		elseif session_lost(err) then
			self:open()
		else
			self:send_failed(batch, err)
		end
	end)
end

function Client:drop_front(count)
	for _ = 1, count do
		table.remove(self.queue, 1)
	end
end

function Client:send_failed(batch, err)
	local failures = self.failures
	failures.send = failures.send + 1
	if err.retryable and failures.send < ATTEMPTS_MAX then
		local wait_s = (tonumber(err.retry_after_ms) or 0) / 1000
		-- Stays "sending" while it waits, so that a new command does not cut the pause short.
		self.sending = true
		self:later(math.max(wait_s, backoff_s(failures.send)), "resume")
		return
	end
	failures.send = 0
	if not err.retryable and #batch > 1 then
		-- One of them is at fault: find it by sending them one by one.
		self.batch_max = 1
	else
		self:drop_front(#batch)
		for _, command in ipairs(batch) do
			self:refuse(command, err)
		end
	end
	self:flush()
end

function Client:resume()
	self.sending = false
	self:flush()
end

function Client:poll()
	local path = ("/v1/sessions/%s/events?cursor=%d&wait=%d"):format(self.session, self.cursor, WAIT_S)
	self:fetch("GET", path, nil, POLL_TIMEOUT_S, function(body, err)
		if body then
			self.failures.poll = 0
			self:take(body)
			self:expire()
			self:poll()
		elseif session_lost(err) then
			self:open()
		else
			self.failures.poll = self.failures.poll + 1
			-- One lost poll is nothing; more mean that nobody is there.
			if self.failures.poll == 3 then
				self:set_state("waiting", err)
			end
			self:later(backoff_s(self.failures.poll), "poll")
			return
		end
		if self.state == "waiting" and self.session then
			self:set_state("open")
			self:flush()
		end
	end)
end

function Client:take(body)
	local generation = self.generation
	for _, event in ipairs(type(body.events) == "table" and body.events or {}) do
		local seq = tonumber(event.seq) or 0
		if seq > self.cursor and generation == self.generation then
			self.cursor = seq
			local waiting = event.req_id and self.unanswered[event.req_id]
			if waiting then
				waiting.begun = waiting.begun or event.type == "line" or event.type == "action"
				if event.type == "turn_ended" or event.type == "error" then
					self.unanswered[event.req_id] = nil
				end
			end
			self.on_event(event)
		end
	end
	self.cursor = math.max(self.cursor, tonumber(body.cursor) or 0)
end

function Client:expire()
	local now_us = minetest.get_us_time()
	for req_id, waiting in pairs(self.unanswered) do
		if now_us - waiting.since_us > ANSWER_S_MAX * 1e6 then
			self.unanswered[req_id] = nil
			self.on_refused(waiting.command, { code = "timeout", message = "no answer in time" })
		end
	end
end

-- Ends the session. Callbacks no longer run when the server stops, so this waits, at most CLOSE_US_MAX.
function Client:close()
	local session = self.session
	self.generation = self.generation + 1
	self.state, self.session = "closed", nil
	if not session then
		return true
	end
	local started_us = minetest.get_us_time()
	local headers = self.token and self.token ~= "" and { "Authorization: Bearer " .. self.token } or nil
	local handle = self.http.fetch_async({
		url = self.url .. "/v1/sessions/" .. session, method = "DELETE", timeout = 1, extra_headers = headers,
	})
	repeat
		local result = self.http.fetch_async_get(handle)
		if result.completed then
			return result.succeeded
		end
	until minetest.get_us_time() - started_us > CLOSE_US_MAX
	return false
end

return Client
